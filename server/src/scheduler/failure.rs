//! A failure of the engine.

/// The engine failed at something that no request could have caused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine failed: {0}")]
pub struct BackendError(pub String);
