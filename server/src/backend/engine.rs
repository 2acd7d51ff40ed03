//! Jobs on the real engine, as many as have room, in one step.
//!
//! A step is one call of [`Engine::step`](sysinfer_engine::Engine::step): the next token of every
//! answer, with a draft of those after it where that pays, and parts of prompts. A job that leaves is noticed
//! within a step, in the middle of a long prompt too. Keys and values of jobs that are over stay while there
//! is room, so that a prompt is computed from where it differs from what was said before; and of jobs that
//! come together and begin alike, one computes what they have in common. What goes into a step is decided in
//! `step`.

use sysinfer_engine::kv::CacheUse;
use sysinfer_engine::{Drafter, Engine, EngineError, Lookup, Sequence};

use super::answer::{Answer, Vocabulary};
use super::embedding::Embedding;
use super::inspector::Inspector;
use super::live::Live;
use crate::scheduler::compose::StepLimits;
use crate::scheduler::{
    Backend, BackendError, Event, Job, JobId, NotAdmitted, StepReport, ValidInputs, ValidJob,
};

/// Tokens that a prompt must have in common with one that is being computed to wait for it.
const WORTH_WAITING: usize = 32;

/// What bounds the work of a backend.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Jobs that may be live at once.
    pub parallel: usize,
    /// Of every step.
    pub step: StepLimits,
}

/// An engine with the sequences it works on.
pub struct EngineBackend {
    pub(super) engine: Engine,
    pub(super) vocabulary: Vocabulary,
    pub(super) lookup: Lookup,
    pub(super) limits: Limits,
    /// Answers, oldest first.
    pub(super) live: Vec<Live>,
    /// Requests for embeddings, oldest first. Nobody shares what they compute, since all of it is gone as soon
    /// as they have it; nor do they what others have, since they need the states of all their tokens.
    pub(super) embeddings: Vec<Embedding>,
    pub(super) inspector: Option<Inspector>,
    /// Of the last step.
    pub(super) report: Option<StepReport>,
}

impl EngineBackend {
    /// Prepares an engine for answers made of `vocabulary`, drafted as `lookup` does.
    pub fn new(engine: Engine, vocabulary: Vocabulary, lookup: Lookup, limits: Limits) -> Self {
        Self {
            engine,
            vocabulary,
            lookup,
            limits,
            live: Vec::new(),
            embeddings: Vec::new(),
            inspector: None,
            report: None,
        }
    }

    /// The same backend, which has its weights looked at when an answer fails because of them.
    #[must_use]
    pub fn with_inspector(mut self, inspector: Inspector) -> Self {
        self.inspector = Some(inspector);
        self
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A sequence with room for a job's prompt and answer, and what is known of its prompt.
    fn sequence(&self, job: &ValidJob) -> Result<Sequence, EngineError> {
        let prompt = before_last(job.prompt());
        let capacity = job.prompt().len() + job.limits().max_tokens;
        self.engine.sequence_of(prompt, capacity)
    }

    /// The live job that will have most of a prompt's tokens, if that is worth waiting for.
    fn shared_with(&self, prompt: &[u32], known: usize) -> Option<(JobId, usize)> {
        let common = |live: &Live| (live.answer.id(), live.common(before_last(prompt)));
        let live = self.live.iter().filter(|live| !live.is_over());
        let most = live.map(common).max_by_key(|(_, count)| *count);
        most.filter(|(_, count)| *count >= known + WORTH_WAITING)
    }

    fn admit_answer(&mut self, id: JobId, job: Box<ValidJob>) -> Result<(), NotAdmitted> {
        let sequence = match self.sequence(&job) {
            Ok(sequence) => sequence,
            Err(error) => return Err(not_admitted(error, Job::Answer(job))),
        };
        let shares = self.shared_with(job.prompt(), sequence.len());
        let answer = Answer::new(id, *job, sequence.len(), &self.vocabulary);
        self.live.push(Live {
            answer: answer.map_err(NotAdmitted::Failed)?,
            drafter: Drafter::default(),
            sequence,
            shares,
            spoilt: false,
        });
        Ok(())
    }

    fn admit_inputs(&mut self, id: JobId, inputs: ValidInputs) -> Result<(), NotAdmitted> {
        match self.engine.sequence(inputs.longest()) {
            Ok(sequence) => self.embeddings.push(Embedding::new(id, inputs, sequence)),
            Err(error) => return Err(not_admitted(error, inputs.into())),
        }
        Ok(())
    }

    /// Lets jobs that waited for another one's prompt go on, once that is computed or the other is gone.
    pub(super) fn end_waiting(&mut self) -> Result<(), EngineError> {
        for at in 0..self.live.len() {
            let Some((id, count)) = self.live[at].shares else {
                continue;
            };
            let other = self.live.iter().position(|live| live.answer.id() == id);
            let other = other.filter(|other| !self.live[*other].spoilt);
            match other {
                Some(other) if self.live[other].sequence.len() < count => continue,
                Some(other) => {
                    // The other one is older, so it stands before.
                    let (before, from) = self.live.split_at_mut(at);
                    let Live {
                        answer, sequence, ..
                    } = &mut from[0];
                    sequence.share(before_last(answer.prompt()), &before[other].sequence)?;
                }
                None => {
                    let Live {
                        answer, sequence, ..
                    } = &mut self.live[at];
                    sequence.recall(before_last(answer.prompt()))?;
                }
            }
            let Live {
                answer,
                sequence,
                shares,
                ..
            } = &mut self.live[at];
            answer.set_cached(sequence.len());
            *shares = None;
        }
        Ok(())
    }
}

impl Backend for EngineBackend {
    fn admit(&mut self, id: JobId, job: Job) -> Result<(), NotAdmitted> {
        if self.live.len() + self.embeddings.len() >= self.limits.parallel {
            return Err(NotAdmitted::Wait(Box::new(job)));
        }
        match job {
            Job::Answer(job) => self.admit_answer(id, job),
            Job::Embeddings(inputs) => self.admit_inputs(id, inputs),
        }
    }

    fn step(&mut self, emit: &mut dyn FnMut(JobId, Event)) -> Result<(), BackendError> {
        if let Err(error) = self.end_waiting().and_then(|()| self.take_step(emit)) {
            // Nobody knows how far the step came, or what is in keys and values.
            self.live.iter_mut().for_each(|live| live.spoilt = true);
            return Err(BackendError(error.to_string()));
        }
        for live in &mut self.live {
            live.answer.end(live.drafter.drafts(), emit);
        }
        Ok(())
    }

    fn release(&mut self, id: JobId) {
        self.embeddings.retain(|embedding| embedding.id() != id);
        let Some(at) = self.live.iter().position(|live| live.answer.id() == id) else {
            return;
        };
        let Live {
            sequence, spoilt, ..
        } = self.live.remove(at);
        if !spoilt {
            self.engine.keep(sequence);
        }
    }

    fn report(&self) -> Option<StepReport> {
        self.report
    }

    fn cache_use(&self) -> Option<CacheUse> {
        Some(self.engine.cache_use())
    }
}

/// What becomes of a job that has no sequence.
fn not_admitted(error: EngineError, job: Job) -> NotAdmitted {
    match error {
        EngineError::NoRoom(_) => NotAdmitted::Wait(Box::new(job)),
        error => NotAdmitted::Failed(BackendError(error.to_string())),
    }
}

/// All but the last token of a prompt, which is always computed: its logits are the first answer.
fn before_last(prompt: &[u32]) -> &[u32] {
    &prompt[..prompt.len().saturating_sub(1)]
}
