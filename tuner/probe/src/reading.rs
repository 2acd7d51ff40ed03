//! What one run gave: times of its points, or why they do not count.

use serde::{Deserialize, Serialize};

use crate::voids::Disturbance;

/// What was timed up to one length (decode) or number of sequences (batch), for one prompt (prefill), one
/// group of steps (visit) or one pass (bandwidth).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Prompt and output together; of a batch the number of sequences; 0 for bandwidth.
    pub total_tokens: usize,
    /// Tokens that the time is for; 0 for bandwidth.
    pub tokens: usize,
    /// Time of their steps.
    pub seconds: f64,
    /// Weights and cache (or plain memory) read in that time.
    pub bytes: f64,
}

impl Point {
    /// Rate; 0 when no time passed.
    pub fn tokens_per_second(&self) -> f64 {
        if self.seconds > 0.0 {
            self.tokens as f64 / self.seconds
        } else {
            0.0
        }
    }

    /// Bytes over time in units of 10^9; 0 when no time passed.
    pub fn gb_per_second(&self) -> f64 {
        if self.seconds > 0.0 {
            self.bytes / self.seconds / 1e9
        } else {
            0.0
        }
    }
}

/// One run of a [`crate::Work`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Decode: one per length that was reached. Prefill: one. Visit: one of the prompt, then one per
    /// group of steps. Batch: one per number of sequences. Bandwidth: one per pass.
    pub points: Vec<Point>,
    /// Why the run does not count: the host was throttled, or busy with other things.
    pub disturbed: Option<Disturbance>,
}

impl Reading {
    /// Rate of the longest length that was reached.
    pub fn tokens_per_second(&self) -> Option<f64> {
        self.points.last().map(Point::tokens_per_second)
    }
}
