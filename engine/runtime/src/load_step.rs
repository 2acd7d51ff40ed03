//! Progress of loading a model.

/// How far loading is.
#[derive(Clone, Copy, Debug)]
pub struct LoadStep {
    /// Bytes of weights packed.
    pub done_bytes: u64,
    /// Bytes of weights in all.
    pub total_bytes: u64,
    /// What is being done.
    pub what: &'static str,
}
