//! Between HTTP and the engine: who runs when, and how answers come back.
//!
//! A [`ValidJob`] goes into the bounded [`Queue`]; the caller gets [`Events`]. One OS thread, the
//! [`worker`], admits jobs to a [`Backend`] and drives it step by step. Dropping the [`Events`]
//! cancels the job, at the next step or while it still waits, and touches no other job. Nothing
//! here knows HTTP or a tokenizer.
//!
//! The seam is a step for all live jobs, not a call per job, so that a backend which packs several
//! sequences into one step needs no change here: it says so by [`Backend::slots`].

pub mod events;
pub mod job;
pub mod queue;
pub mod worker;

pub use events::Events;
pub use job::{Event, Finish, FinishReason, JobLimits, Logprob, TokenLogprobs, ValidJob};
pub use queue::{Queue, Refusal};

/// Names a live job between the worker and the backend.
pub type JobId = u64;

/// The engine failed at something that no request could have caused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine failed: {0}")]
pub struct BackendError(pub String);

/// What generates tokens. It runs on the worker's thread only.
pub trait Backend: Send {
    /// Jobs that may be live at once, at least 1.
    fn slots(&self) -> usize;

    /// Takes a job in, without computing anything for it yet.
    ///
    /// # Errors
    /// The job cannot be run; it is answered with the error and never released.
    fn admit(&mut self, id: JobId, job: ValidJob) -> Result<(), BackendError>;

    /// One step for the live jobs: a part of a prompt, or the next token. A job is over after its
    /// [`Event::Finished`], which the worker answers with [`Backend::release`].
    ///
    /// # Errors
    /// The step failed: all live jobs are answered with the error and released.
    fn step(&mut self, emit: &mut dyn FnMut(JobId, Event)) -> Result<(), BackendError>;

    /// Forgets a job that was admitted, finished or not. Called once per admitted job.
    fn release(&mut self, id: JobId);
}
