//! One job's answer: its tokens drawn one by one, and what its client gets to see of them.

use std::sync::Arc;
use std::time::Instant;

use sysinfer_engine::tokenizer::TextStream;
use sysinfer_engine::{Drafts, Drawn, Sampler, Tokenizer};

use super::stop::StopMatcher;
use crate::scheduler::{
    BackendError, Event, Finish, FinishReason, Guide, JobId, JobLimits, Logprob, TokenLogprobs,
    ValidJob,
};

/// What all answers are made of: the model's vocabulary.
pub struct Vocabulary {
    tokenizer: Arc<Tokenizer>,
    /// Tokens that end an answer.
    ends: Vec<u32>,
    /// Tokens that the file says the model must not say.
    suppressed: Vec<u32>,
}

/// Tokens that an answer must not have.
struct Excluded {
    /// While it is shorter than it was to be at least, ...
    early: Vec<u32>,
    /// ... and from then on.
    later: Vec<u32>,
}

impl Excluded {
    fn of(limits: &JobLimits, vocabulary: &Vocabulary) -> Self {
        let early = [
            &vocabulary.suppressed[..],
            &vocabulary.ends,
            &limits.stop_tokens,
        ]
        .concat();
        let mut later = vocabulary.suppressed.clone();
        if limits.ignore_eos {
            let asked = |token: &&u32| limits.stop_tokens.contains(token);
            later.extend(vocabulary.ends.iter().filter(|token| !asked(token)));
        }
        Self { early, later }
    }
}

/// A job's answer.
pub struct Answer {
    id: JobId,
    job: ValidJob,
    sampler: Sampler,
    text: TextStream,
    stop: StopMatcher,
    excluded: Excluded,
    /// Keeps it in the form that was asked for.
    guide: Option<Box<dyn Guide>>,
    /// Prompt tokens that did not have to be computed.
    cached: usize,
    generated: usize,
    last: u32,
    admitted: Instant,
    first_token: Option<Instant>,
    ended: Option<Result<FinishReason, BackendError>>,
}

impl Vocabulary {
    /// The vocabulary of a model with `vocabulary_size` rows. An answer also ends where the model
    /// begins a turn, at one of `turns`.
    pub fn new(tokenizer: Arc<Tokenizer>, vocabulary_size: usize, turns: &[u32]) -> Self {
        let count = u32::try_from(vocabulary_size).unwrap_or(u32::MAX);
        let is_end = |token: &u32| tokenizer.is_end(*token) || turns.contains(token);
        let ends: Vec<u32> = (0..count).filter(is_end).collect();
        Self {
            ends,
            suppressed: tokenizer.suppressed().to_vec(),
            tokenizer,
        }
    }
}

impl Answer {
    /// Nothing yet, after a prompt whose first `cached` tokens need not be computed.
    ///
    /// # Errors
    /// Options that no sampler follows.
    pub fn new(
        id: JobId,
        mut job: ValidJob,
        cached: usize,
        vocabulary: &Vocabulary,
    ) -> Result<Self, BackendError> {
        let sampler = Sampler::new(job.sampling().clone(), job.fallback_seed());
        let mut sampler = sampler.map_err(|error| BackendError(error.to_string()))?;
        sampler.accept_prompt(job.prompt());
        let tokenizer = Arc::clone(&vocabulary.tokenizer);
        Ok(Self {
            id,
            sampler,
            text: TextStream::new(
                tokenizer,
                job.prompt().last().copied(),
                job.shows_specials(),
            ),
            excluded: Excluded::of(job.limits(), vocabulary),
            stop: StopMatcher::new(job.limits().stop.clone()),
            guide: job.take_guide(),
            cached,
            generated: 0,
            last: 0,
            admitted: Instant::now(),
            first_token: None,
            ended: None,
            job,
        })
    }

    /// The job's id.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Tokens of the conversation.
    pub fn prompt(&self) -> &[u32] {
        self.job.prompt()
    }

    /// Notes that so many tokens of the prompt did not have to be computed.
    pub fn set_cached(&mut self, cached: usize) {
        self.cached = cached;
    }

    /// So many tokens of the prompt did not have to be computed.
    pub fn cached(&self) -> usize {
        self.cached
    }

    /// Tokens that it has, the end token included.
    pub fn generated(&self) -> usize {
        self.generated
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// The last token that was drawn.
    pub fn last(&self) -> u32 {
        self.last
    }

    /// Tokens that the answer may still get.
    pub fn tokens_left(&self) -> usize {
        self.job.limits().max_tokens.saturating_sub(self.generated)
    }

    /// Draws the next token and says what it means.
    pub fn draw(
        &mut self,
        vocabulary: &Vocabulary,
        logits: &[f32],
        emit: &mut dyn FnMut(JobId, Event),
    ) -> Drawn {
        let token = match self.choose(vocabulary, logits) {
            Ok(token) => token,
            Err(error) => {
                self.ended = Some(Err(error));
                let token = self.last;
                return Drawn { token, over: true };
            }
        };
        let logprobs = self.logprobs(token, logits, &vocabulary.tokenizer);
        self.first_token.get_or_insert_with(Instant::now);
        self.generated += 1;
        self.last = token;
        self.sampler.accept(token);
        if vocabulary.ends.contains(&token) || self.job.limits().stop_tokens.contains(&token) {
            let text = self.flush();
            if !text.is_empty() {
                let logprobs = None;
                emit(self.id, Event::Text { text, logprobs });
            }
            self.ended = Some(Ok(FinishReason::Stop));
        } else {
            self.speak(vocabulary, token, logprobs, emit);
        }
        Drawn {
            token,
            over: self.ended.is_some(),
        }
    }

    /// The next token. One that the form does not allow is drawn again, of those that it allows: the odds are as
    /// if it had not been there, and what is allowed need not be known but then.
    fn choose(&mut self, vocabulary: &Vocabulary, logits: &[f32]) -> Result<u32, BackendError> {
        let excluded = match self.generated < self.job.limits().min_tokens {
            true => &self.excluded.early,
            false => &self.excluded.later,
        };
        if let Some(allowed) = self.job.allowed() {
            let mut allowed = allowed.clone();
            allowed.remove(excluded);
            // Of tokens that are all excluded, those that were asked for by name are left.
            let allowed = match allowed.is_empty() {
                true => self.job.allowed().cloned().unwrap_or_default(),
                false => allowed,
            };
            let allowed = |token| allowed.has(token);
            return Ok(self.sampler.sample_where(allowed, logits));
        }
        let token = self.sampler.sample_without(excluded, logits);
        let Some(guide) = &mut self.guide else {
            return Ok(token);
        };
        let token = match vocabulary.ends.contains(&token) {
            true if guide.may_end()? => return Ok(token),
            false if guide.allows(token)? => token,
            _ => {
                let mut allowed = guide.allowed()?;
                allowed.remove(&vocabulary.ends);
                allowed.remove(excluded);
                if guide.may_end()? {
                    let ends = vocabulary.ends.iter().filter(|end| !excluded.contains(end));
                    allowed.insert(&ends.copied().collect::<Vec<u32>>());
                    // A form that is whole ends, however long the answer was to be.
                    if allowed.is_empty() {
                        allowed.insert(&vocabulary.ends);
                    }
                }
                if allowed.is_empty() {
                    let reason = "the form that was asked for allows no token of the model here";
                    return Err(BackendError(reason.into()));
                }
                self.sampler
                    .sample_where(|token| allowed.has(token), logits)
            }
        };
        let guide = self
            .guide
            .as_mut()
            .filter(|_| !vocabulary.ends.contains(&token));
        guide.map_or(Ok(()), |guide| guide.take(token))?;
        Ok(token)
    }

    /// How likely the model itself found a token and others, if the job asks for that: before end
    /// tokens were taken out, and before any option.
    fn logprobs(
        &mut self,
        token: u32,
        logits: &[f32],
        tokenizer: &Tokenizer,
    ) -> Option<TokenLogprobs> {
        let count = self.job.top_logprobs()?;
        let sampled = self.sampler.with_logprobs(token, logits, count);
        let entry = |token: u32, logprob: f32| Logprob {
            bytes: shown(tokenizer, token),
            logprob,
        };
        let top = sampled.top.iter();
        Some(TokenLogprobs {
            chosen: entry(sampled.token, sampled.logprob),
            top: top
                .map(|(token, logprob)| entry(*token, *logprob))
                .collect(),
        })
    }

    /// Sends the text of an ordinary token, or the name of one that is to be shown, and sees whether it ends the
    /// answer.
    fn speak(
        &mut self,
        vocabulary: &Vocabulary,
        token: u32,
        logprobs: Option<TokenLogprobs>,
        emit: &mut dyn FnMut(JobId, Event),
    ) {
        let passed = match self.job.shown().contains(&token) {
            true => {
                let name = vocabulary.tokenizer.token_text(token);
                self.stop.push(&format!("{}{name}", self.text.flush()))
            }
            false => self.stop.push(self.text.push(token)),
        };
        let whole = self.guide.as_ref().is_some_and(|guide| guide.is_complete());
        let ended = match (passed.stopped || whole, self.tokens_left()) {
            (true, _) => Some(FinishReason::Stop),
            (false, 0) => Some(FinishReason::Length),
            (false, _) => None,
        };
        let mut text = passed.text;
        if ended.is_some() && !passed.stopped {
            text += &self.flush();
        }
        emit(self.id, Event::Text { text, logprobs });
        self.ended = ended.map(Ok);
    }

    /// What was held back.
    fn flush(&mut self) -> String {
        let passed = self.stop.push(self.text.flush());
        match passed.stopped {
            true => passed.text,
            false => passed.text + &self.stop.flush(),
        }
    }

    /// Sends the end, if the answer is over.
    pub fn end(&mut self, drafts: Drafts, emit: &mut dyn FnMut(JobId, Event)) {
        let reason = match self.ended.clone() {
            None => return,
            Some(Ok(reason)) => reason,
            Some(Err(error)) => return emit(self.id, Event::Failed(error)),
        };
        let now = Instant::now();
        let first = self.first_token.unwrap_or(now);
        let finish = Finish {
            reason,
            prompt_tokens: self.job.prompt().len(),
            cached_tokens: self.cached,
            completion_tokens: self.generated,
            drafts,
            prefill_time: first - self.admitted,
            decode_time: now - first,
        };
        emit(self.id, Event::Finished(finish));
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
