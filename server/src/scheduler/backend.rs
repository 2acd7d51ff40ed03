//! What runs jobs, one step after another.

use sysinfer_engine::kv::CacheUse;

use super::failure::BackendError;
use super::outcome::Event;
use super::report::StepReport;
use super::work::Job;

/// Names a live job between the worker and the backend.
pub type JobId = u64;

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

    /// What the last step was made of, if it did not fail and somebody keeps account.
    fn report(&self) -> Option<StepReport> {
        None
    }

    /// What the KV cache is used for now, where there is one.
    fn cache_use(&self) -> Option<CacheUse> {
        None
    }
}
