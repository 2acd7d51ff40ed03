//! What a batch extends.

use sysinfer_engine::Sequence;

/// The sequences of a batch, each behind a prompt of its own.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) sequences: Vec<Sequence>,
    /// How much of each is its prompt.
    pub(super) prompt_len: usize,
}
