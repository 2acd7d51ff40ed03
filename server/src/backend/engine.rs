//! Jobs on the real engine, one sequence at a time.
//!
//! A step is one call of [`Engine::step`]: a chunk of the prompt, or the next token, with a draft of
//! those after it where that pays. So a client that leaves is noticed within a chunk, in the middle
//! of a long prompt too. The keys and values of the last conversation stay: the next prompt is
//! computed from where it differs.

use sysinfer_engine::{Drafter, Engine, EngineError, Entry, Lookup, Sequence, Turn, Wanted};

use super::answer::{Answer, Words};
use super::inspector::Inspector;
use crate::scheduler::{Backend, BackendError, Event, JobId, ValidJob};

/// An engine with the one sequence it works on.
pub struct EngineBackend {
    engine: Engine,
    words: Words,
    lookup: Lookup,
    sequence: Sequence,
    live: Option<Live>,
    inspector: Option<Inspector>,
}

/// The job at work.
struct Live {
    answer: Answer,
    drafter: Drafter,
}

impl EngineBackend {
    /// Prepares an engine for answers made of `words`, in a context of `context_tokens`, drafted as
    /// `lookup` does.
    ///
    /// # Errors
    /// No memory for the sequence, or a context longer than the model's.
    pub fn new(
        engine: Engine,
        words: Words,
        context_tokens: usize,
        lookup: Lookup,
    ) -> Result<Self, EngineError> {
        let sequence = engine.sequence(context_tokens)?;
        Ok(Self {
            engine,
            words,
            lookup,
            sequence,
            live: None,
            inspector: None,
        })
    }

    /// The same backend, which has its weights looked at when an answer fails because of them.
    #[must_use]
    pub fn with_inspector(mut self, inspector: Inspector) -> Self {
        self.inspector = Some(inspector);
        self
    }

    /// Computes the next part of the prompt; its end gives the first token.
    fn prefill(&mut self, emit: &mut dyn FnMut(JobId, Event)) -> Result<(), EngineError> {
        let Some(Live { answer, .. }) = &mut self.live else {
            return Ok(());
        };
        let tokens = answer.next_of_prompt(self.engine.plan().blocking.prefill_chunk);
        let wanted = if tokens.len() == answer.missing_of_prompt() {
            Wanted::Last
        } else {
            Wanted::None
        };
        let count = tokens.len();
        let entry = Entry {
            sequence: &mut self.sequence,
            tokens,
            wanted,
        };
        let logits = self.engine.step(&mut [entry])?;
        answer.computed(count);
        if logits.rows() > 0 {
            answer.draw(&self.words, logits.row(0)?, emit);
        }
        Ok(())
    }

    /// Computes the next token, and those after it that were drafted rightly.
    fn decode(&mut self, emit: &mut dyn FnMut(JobId, Event)) -> Result<(), EngineError> {
        let Some(Live { answer, drafter }) = &mut self.live else {
            return Ok(());
        };
        let turn = Turn {
            sequence: &mut self.sequence,
            drafter,
            last: answer.last(),
            most_tokens: answer.tokens_left(),
        };
        let words = &self.words;
        let spoilt = self
            .lookup
            .step(&mut self.engine, &mut [turn], &mut |_, logits| {
                answer.draw(words, logits, emit)
            })?;
        Ok(spoilt.require_none()?)
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
        self.live = Some(Live {
            answer: Answer::new(id, job, cached, &self.words)?,
            drafter: Drafter::default(),
        });
        Ok(())
    }

    fn step(&mut self, emit: &mut dyn FnMut(JobId, Event)) -> Result<(), BackendError> {
        let Some(live) = &self.live else {
            return Ok(());
        };
        let id = live.answer.id();
        let stepped = if live.answer.missing_of_prompt() > 0 {
            self.prefill(emit)
        } else {
            self.decode(emit)
        };
        if let Err(error) = stepped {
            // Nobody knows how far the step came, or what is in its keys and values: no prompt may build
            // on them.
            self.sequence.clear();
            let EngineError::NotFinite(error) = error else {
                return Err(BackendError(error.to_string()));
            };
            self.inspector.as_mut().map(Inspector::look);
            emit(id, Event::NotFinite(error));
            return Ok(());
        }
        if let Some(Live { answer, drafter }) = &mut self.live {
            answer.end(drafter.drafts(), emit);
        }
        Ok(())
    }

    fn release(&mut self, id: JobId) {
        if self
            .live
            .as_ref()
            .is_some_and(|live| live.answer.id() == id)
        {
            self.live = None;
        }
    }
}
