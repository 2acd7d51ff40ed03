//! Attention over cached keys and values, divided among the workers.
//!
//! The work is cut into *units* (`plan`): one key/value head with all query heads that share it,
//! for some rows of one sequence, over some positions. A sequence that adds few tokens (decode) is
//! cut along its context; one that adds many (a prompt) along its tokens. Partial results are merged
//! after every chunk of the plan either way, so that neither the cut nor the number of workers shows
//! in a result: the last chunk first, so that with ALiBi those that are too far back to weigh anything
//! beside it need not be read, which does not show in a result either. Units (`pass`) leave partial results (`[largest score, sum, values]` per row and
//! head), which `gather` merges for the next product (`merging`: each worker for itself, or all together).

pub mod divide;
mod gather;
mod merging;
mod pass;
mod plan;

pub use gather::Gather;
pub use merging::merges_together;
pub use pass::Heads;
pub use plan::{AttentionPlan, Cut};

use crate::sequence::Sequence;

/// New tokens of one sequence within a step.
pub struct Addition<'a> {
    /// The sequence, with room for them.
    pub sequence: &'a mut Sequence,
    /// Row of the first new token within the step.
    pub first_row: usize,
    /// New tokens.
    pub tokens: &'a [u32],
    /// Whether their hidden states are added to the sequence's sum.
    pub sums_states: bool,
}
