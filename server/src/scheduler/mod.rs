//! Between HTTP and the engine: who runs when, and how answers come back.
//!
//! A [`Job`] goes into the bounded [`Queue`]; the caller gets [`Events`], and [`Choices`] of several. One OS thread, the
//! [`worker`], admits jobs to a [`Backend`] as long as that has room and drives it step by step; all live
//! jobs share a step, and [`compose`] says what goes into it. Dropping the [`Events`]
//! cancels the job, at the next step or while it still waits, and touches no other job. Nothing
//! here knows HTTP or a tokenizer.

pub mod choices;
pub mod compose;
pub mod events;
pub mod guide;
pub mod inputs;
pub mod job;
pub mod outcome;
pub mod queue;
pub mod worker;

pub use choices::Choices;
pub use events::Events;
pub use guide::{Guide, TokenSet};
pub use inputs::ValidInputs;
pub use job::{JobLimits, ValidJob};
pub use outcome::{Embedded, Event, Finish, FinishReason, Logprob, TokenLogprobs};
pub use queue::{Queue, Refusal};

/// Names a live job between the worker and the backend.
pub type JobId = u64;

/// What waits for the engine and runs on it.
#[derive(Debug)]
pub enum Job {
    /// A prompt that gets an answer.
    Answer(Box<ValidJob>),
    /// Texts of which embeddings are made; they are one job, whatever their number, so that many of them
    /// take no more of the queue than one and run beside whatever comes after them.
    Embeddings(ValidInputs),
}

impl Job {
    /// Most events that come of it beside the end.
    fn most_events(&self) -> usize {
        match self {
            Job::Answer(job) => job.limits().max_tokens,
            Job::Embeddings(_) => 0,
        }
    }
}

impl From<ValidJob> for Job {
    fn from(job: ValidJob) -> Self {
        Self::Answer(Box::new(job))
    }
}

impl From<ValidInputs> for Job {
    fn from(inputs: ValidInputs) -> Self {
        Self::Embeddings(inputs)
    }
}

/// The engine failed at something that no request could have caused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine failed: {0}")]
pub struct BackendError(pub String);

/// Why a job is not live.
#[derive(Debug)]
pub enum NotAdmitted {
    /// There is no room for it until others are over.
    Wait(Box<Job>),
    /// It cannot be run, and is to be answered with the error.
    Failed(BackendError),
}

/// What runs jobs. It runs on the worker's thread only.
pub trait Backend: Send {
    /// Takes a job in, without computing anything for it yet. One that was not admitted is not live, and
    /// never released. With nothing else live there is room for any.
    ///
    /// # Errors
    /// [`NotAdmitted`].
    fn admit(&mut self, id: JobId, job: Job) -> Result<(), NotAdmitted>;

    /// One step for the live jobs: parts of prompts and of texts, and next tokens. A job is over after its
    /// [`Event::Finished`], or another event that nothing follows, which the worker answers with
    /// [`Backend::release`].
    ///
    /// # Errors
    /// The step failed: all live jobs are answered with the error and released.
    fn step(&mut self, emit: &mut dyn FnMut(JobId, Event)) -> Result<(), BackendError>;

    /// Forgets a job that was admitted, finished or not. Called once per admitted job.
    fn release(&mut self, id: JobId);
}
