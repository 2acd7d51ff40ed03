//! What a profile says to a server for many users: limits, and what steps took that were measured for them.

use serde::{Deserialize, Serialize};

/// Longest time between two tokens of an answer while prompts of others are read, unless a profile or a
/// person says otherwise, milliseconds.
pub const TOKEN_GAP_MS: u32 = 100;
/// Decode steps that the gap may last, where that is longer than asked.
pub const GAP_STEPS: f64 = 3.0;
/// The longest that may be asked for.
pub const MAX_TOKEN_GAP_MS: u32 = 60_000;
/// Most requests at once.
pub const MAX_PARALLEL: usize = 1024;

/// Limits of a server for many users; its options go over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serving {
    /// Requests that are answered at once.
    pub parallel: usize,
    /// Longest time between two tokens of an answer while prompts of others are read, milliseconds.
    pub token_gap_ms: u32,
}

/// What a step took that extended several sequences by one token, and read a part of a prompt beside them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepEvidence {
    /// Sequences.
    pub sequences: usize,
    /// Tokens of the prompt.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub prompt_rows: usize,
    /// Tokens that each sequence held when its steps began.
    pub context_tokens: usize,
    /// Runs, of several steps each.
    pub samples: usize,
    /// Median of the runs.
    pub milliseconds: f64,
    /// The fastest run.
    pub low: f64,
    /// The slowest.
    pub high: f64,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl StepEvidence {
    /// Tokens of all sequences in a second.
    pub fn tokens_per_second(&self) -> f64 {
        self.sequences as f64 * 1000.0 / self.milliseconds
    }
}
