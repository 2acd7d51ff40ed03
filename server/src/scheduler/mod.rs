//! Between HTTP and the engine: who runs when, and how answers come back.
//!
//! A [`ValidJob`] goes into the bounded [`Queue`]; the caller gets [`Events`], and [`Choices`] of several. One OS thread, the
//! [`worker`], admits jobs to a [`Backend`] as long as that has room and drives it step by step; all live
//! jobs share a step, and [`compose`] says what goes into it. Dropping the [`Events`]
//! cancels the job, at the next step or while it still waits, and touches no other job. Nothing
//! here knows HTTP or a tokenizer.

pub mod choices;
pub mod compose;
pub mod events;
pub mod guide;
pub mod job;
pub mod outcome;
pub mod queue;
pub mod worker;

pub use choices::Choices;
pub use events::Events;
pub use guide::{Guide, TokenSet};
pub use job::{JobLimits, ValidJob};
pub use outcome::{Event, Finish, FinishReason, Logprob, TokenLogprobs};
pub use queue::{Queue, Refusal};

/// Names a live job between the worker and the backend.
pub type JobId = u64;

/// The engine failed at something that no request could have caused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine failed: {0}")]
pub struct BackendError(pub String);

/// Why a job is not live.
#[derive(Debug)]
pub enum NotAdmitted {
    /// There is no room for it until others are over.
    Wait(Box<ValidJob>),
    /// It cannot be run, and is to be answered with the error.
    Failed(BackendError),
}

/// What generates tokens. It runs on the worker's thread only.
pub trait Backend: Send {
    /// Takes a job in, without computing anything for it yet. One that was not admitted is not live, and
    /// never released. With nothing else live there is room for any.
    ///
    /// # Errors
    /// [`NotAdmitted`].
    fn admit(&mut self, id: JobId, job: ValidJob) -> Result<(), NotAdmitted>;

    /// One step for the live jobs: parts of prompts, and next tokens. A job is over after its
    /// [`Event::Finished`], or another event that nothing follows, which the worker answers with
    /// [`Backend::release`].
    ///
    /// # Errors
    /// The step failed: all live jobs are answered with the error and released.
    fn step(&mut self, emit: &mut dyn FnMut(JobId, Event)) -> Result<(), BackendError>;

    /// Forgets a job that was admitted, finished or not. Called once per admitted job.
    fn release(&mut self, id: JobId);
}
