//! What a client is told where an answer has no end.

use crate::error::ApiError;
use crate::observe::GenerationLog;
use crate::scheduler::Event;

/// What a client is told where an answer has no end.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The engine failed at it.
    Failed(ApiError),
    /// The server stops.
    CutOff,
}

impl NoAnswer {
    /// What an event says that is neither text nor the end of an answer.
    pub(super) fn of(event: Option<Event>) -> Self {
        match event {
            Some(Event::Failed(error)) => Self::Failed(ApiError::internal(error.to_string())),
            Some(Event::NotFinite(error)) => Self::Failed(ApiError::not_finite(error.to_string())),
            Some(Event::CutOff) => Self::CutOff,
            _ => Self::Failed(lost()),
        }
    }

    /// The error, once it is in the log.
    pub(super) fn logged(self, log: &mut GenerationLog) -> ApiError {
        match self {
            Self::Failed(error) => {
                log.failed(error.message());
                error
            }
            Self::CutOff => {
                ApiError::unavailable("the server stopped before the answer was complete")
            }
        }
    }
}

/// The error of a job whose events ended without an end: the worker died.
pub(super) fn lost() -> ApiError {
    ApiError::internal("the engine stopped unexpectedly; the server's log says more")
}
