//! What waits for the engine and runs on it.

use super::inputs::ValidInputs;
use super::job::ValidJob;

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
    pub(super) fn most_events(&self) -> usize {
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
