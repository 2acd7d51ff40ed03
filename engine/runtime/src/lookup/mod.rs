//! Prompt-lookup decoding: speculation without a draft model, in which what a text repeats is its own draft.
//!
//! Answers quote their prompt and themselves. [`index`] finds the longest match of a sequence's
//! newest tokens among its earlier ones; what followed there is the draft (Saxena
//! 2023; n-gram speculation of vLLM and llama.cpp). A decode step reads all weights once for
//! up to eight rows, so it can check seven drafted tokens for little more than one token costs.
//! [`controller`] weighs [`acceptance`] against [`costs`] and says how long drafts are; [`step`]
//! runs a step for all live sequences and takes back what was not accepted.
//!
//! Nothing of this changes an answer: every token is drawn by the caller from the logits that it
//! would have seen anyway, in order, and a drafted token counts only if it was drawn.

pub mod acceptance;
pub mod controller;
pub mod costs;
pub mod index;
pub mod step;
#[cfg(test)]
mod tests;

pub use costs::{Rows, StepCosts};
pub use step::{Drafter, Drafts, Drawn, Lookup, Spoilt, Turn};

use crate::plan::DECODE_ROWS;

/// Most tokens of one draft, beside the token before it: what decode kernels of all instruction sets multiply
/// for little more than one row costs.
pub const MAX_DRAFTED: usize = DECODE_ROWS - 1;
