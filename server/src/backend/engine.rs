//! Jobs on the real engine, one sequence at a time.
//!
//! A step is one call of [`Engine::step`]: a chunk of the prompt, or one token. So a client that
//! leaves is noticed within a chunk, in the middle of a long prompt too. The keys and values of the
//! last conversation stay: the next prompt is computed from where it differs.

use std::sync::Arc;
use std::time::Instant;

use sysinfer_engine::tokenizer::TextStream;
use sysinfer_engine::{Engine, EngineError, Entry, Sampler, Sequence, Tokenizer, Wanted};

use super::stop::StopMatcher;
use crate::scheduler::{
    Backend, BackendError, Event, Finish, FinishReason, JobId, Logprob, TokenLogprobs, ValidJob,
};

/// An engine with the one sequence it works on.
pub struct EngineBackend {
    engine: Engine,
    tokenizer: Arc<Tokenizer>,
    /// Tokens that end an answer.
    ends: Vec<u32>,
    sequence: Sequence,
    live: Option<Live>,
    /// Logits with the end tokens taken out.
    masked: Vec<f32>,
}

/// The job at work.
struct Live {
    id: JobId,
    job: ValidJob,
    sampler: Sampler,
    text: TextStream,
    stop: StopMatcher,
    /// Prompt tokens that are in the sequence.
    computed: usize,
    /// Of these, the ones that were there already.
    cached: usize,
    generated: usize,
    last: u32,
    admitted: Instant,
    first_token: Option<Instant>,
}

impl EngineBackend {
    /// Prepares an engine for answers in a context of `context_tokens`.
    ///
    /// # Errors
    /// No memory for the sequence, or a context longer than the model's.
    pub fn new(
        engine: Engine,
        tokenizer: Arc<Tokenizer>,
        context_tokens: usize,
    ) -> Result<Self, EngineError> {
        let sequence = engine.sequence(context_tokens)?;
        let count = u32::try_from(engine.info().vocabulary_size).unwrap_or(u32::MAX);
        let ends = (0..count)
            .filter(|token| tokenizer.is_end(*token))
            .collect();
        Ok(Self {
            engine,
            tokenizer,
            ends,
            sequence,
            live: None,
            masked: Vec::new(),
        })
    }

    /// Says what the token that was just drawn means for its job.
    fn speak(
        &mut self,
        token: u32,
        logprobs: Option<TokenLogprobs>,
        emit: &mut dyn FnMut(JobId, Event),
    ) {
        let Some(live) = &mut self.live else { return };
        live.first_token.get_or_insert_with(Instant::now);
        live.generated += 1;
        live.last = token;
        live.sampler.accept(token);
        if self.ends.contains(&token) {
            live.finish(FinishReason::Stop, emit);
            return;
        }
        let passed = live.stop.push(live.text.push(token));
        emit(
            live.id,
            Event::Text {
                text: passed.text,
                logprobs,
            },
        );
        if passed.stopped {
            emit(live.id, live.finished(FinishReason::Stop));
        } else if live.generated >= live.job.limits().max_tokens {
            live.finish(FinishReason::Length, emit);
        }
    }
}

impl Live {
    fn new(
        id: JobId,
        job: ValidJob,
        cached: usize,
        tokenizer: Arc<Tokenizer>,
    ) -> Result<Self, BackendError> {
        let sampler = Sampler::new(job.sampling().clone(), job.fallback_seed());
        let mut sampler = sampler.map_err(|error| BackendError(error.to_string()))?;
        sampler.accept_prompt(job.prompt());
        Ok(Self {
            id,
            sampler,
            text: TextStream::new(tokenizer, job.prompt().last().copied(), false),
            stop: StopMatcher::new(job.limits().stop.clone()),
            computed: cached,
            cached,
            generated: 0,
            last: 0,
            admitted: Instant::now(),
            first_token: None,
            job,
        })
    }

    /// The tokens of the next step, and whether it completes the prompt or continues the answer.
    fn next_input(&self, chunk: usize) -> (&[u32], Wanted) {
        let prompt = self.job.prompt();
        if self.computed == prompt.len() {
            return (std::slice::from_ref(&self.last), Wanted::Last);
        }
        let end = prompt.len().min(self.computed + chunk.max(1));
        let wanted = if end == prompt.len() {
            Wanted::Last
        } else {
            Wanted::None
        };
        (&prompt[self.computed..end], wanted)
    }

    /// Whether end tokens must not be drawn yet.
    fn must_go_on(&self) -> bool {
        let limits = self.job.limits();
        limits.ignore_eos || self.generated < limits.min_tokens
    }

    /// Draws the next token, with logprobs if the job asks for them.
    fn draw(&mut self, logits: &[f32], tokenizer: &Tokenizer) -> (u32, Option<TokenLogprobs>) {
        let Some(count) = self.job.top_logprobs() else {
            return (self.sampler.sample(logits), None);
        };
        let sampled = self.sampler.sample_with_logprobs(logits, count);
        let entry = |token: u32, logprob: f32| Logprob {
            bytes: shown(tokenizer, token),
            logprob,
        };
        let top = sampled
            .top
            .iter()
            .map(|(token, logprob)| entry(*token, *logprob))
            .collect();
        (
            sampled.token,
            Some(TokenLogprobs {
                chosen: entry(sampled.token, sampled.logprob),
                top,
            }),
        )
    }

    /// Sends what was held back, then the end.
    fn finish(&mut self, reason: FinishReason, emit: &mut dyn FnMut(JobId, Event)) {
        let passed = self.stop.push(self.text.flush());
        let text = if passed.stopped {
            passed.text
        } else {
            passed.text + &self.stop.flush()
        };
        if !text.is_empty() {
            emit(
                self.id,
                Event::Text {
                    text,
                    logprobs: None,
                },
            );
        }
        emit(self.id, self.finished(reason));
    }

    fn finished(&self, reason: FinishReason) -> Event {
        let now = Instant::now();
        let first = self.first_token.unwrap_or(now);
        Event::Finished(Finish {
            reason,
            prompt_tokens: self.job.prompt().len(),
            cached_tokens: self.cached,
            completion_tokens: self.generated,
            prefill_time: first - self.admitted,
            decode_time: now - first,
        })
    }
}

impl Backend for EngineBackend {
    fn slots(&self) -> usize {
        1
    }

    fn admit(&mut self, id: JobId, job: ValidJob) -> Result<(), BackendError> {
        let known = self.sequence.tokens().iter().zip(job.prompt());
        let same = known.take_while(|(known, wanted)| known == wanted).count();
        // The last token of the prompt is always computed: its logits are the first answer.
        let cached = same.min(job.prompt().len() - 1);
        self.sequence.truncate(cached);
        self.live = Some(Live::new(id, job, cached, Arc::clone(&self.tokenizer))?);
        Ok(())
    }

    fn step(&mut self, emit: &mut dyn FnMut(JobId, Event)) -> Result<(), BackendError> {
        let Some(live) = &mut self.live else {
            return Ok(());
        };
        let (tokens, wanted) = live.next_input(self.engine.plan().blocking.prefill_chunk);
        let count = tokens.len();
        let entry = Entry {
            sequence: &mut self.sequence,
            tokens,
            wanted,
        };
        let logits = match self.engine.step(&mut [entry]) {
            Ok(logits) => logits,
            Err(error) => {
                // Nobody knows how far the step came, so no prompt may build on it.
                self.sequence.clear();
                return Err(BackendError(error.to_string()));
            }
        };
        if live.computed < live.job.prompt().len() {
            live.computed += count;
        }
        if logits.rows() == 0 {
            return Ok(());
        }
        let (token, logprobs) = if live.must_go_on() {
            self.masked.clear();
            self.masked.extend_from_slice(logits.row(0));
            for end in &self.ends {
                if let Some(logit) = self.masked.get_mut(*end as usize) {
                    *logit = f32::NEG_INFINITY;
                }
            }
            live.draw(&self.masked, &self.tokenizer)
        } else {
            live.draw(logits.row(0), &self.tokenizer)
        };
        self.speak(token, logprobs, emit);
        Ok(())
    }

    fn release(&mut self, id: JobId) {
        if self.live.as_ref().is_some_and(|live| live.id == id) {
            self.live = None;
        }
    }
}

/// A token as logprobs show it: its text, or its name if it has none.
fn shown(tokenizer: &Tokenizer, token: u32) -> Vec<u8> {
    let piece = tokenizer.piece(token);
    if piece.is_empty() {
        tokenizer.token_text(token).as_bytes().to_vec()
    } else {
        piece.to_vec()
    }
}
