//! Where a sampled pass stops, what it does there, and how long that takes.

use sysinfer_probe::{WARM_STEPS, Work};

use crate::speed::Speed;

/// Groups of decode steps at a stop: enough for an interval.
pub(crate) const GROUPS: usize = 12;
/// Most steps of a group.
const MAX_GROUP_STEPS: usize = 32;
/// Steps at a stop make at most this part of its context, so that they are of one context.
pub(crate) const PART_OF_CONTEXT: usize = 4;
/// The least room at a stop: a token to start from, untimed steps, one step for each group.
pub(crate) const MIN_ROOM: usize = 1 + WARM_STEPS + GROUPS;

/// How lengths would be sampled that cannot be decoded all the way.
#[derive(Clone, Copy, Debug)]
pub struct SamplingLimits {
    /// Tokens of a prompt that the engine runs in one pass.
    pub prompt_chunk: usize,
    /// Time of the decode steps at one context, about, seconds.
    pub visit_seconds: f64,
}

/// The sampled part of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Total lengths whose rates are sampled, ascending.
    pub lengths: Vec<usize>,
    /// Tokens of a prompt that the engine runs in one pass: a prompt goes on from a multiple of it as
    /// if it had never stopped.
    pub prompt_chunk: usize,
    /// Most decode steps of a group.
    pub group_steps: usize,
}

/// A stop: the prompt is read from one length to another, then decode steps end there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Tokens of the prompt that an earlier stop has read.
    pub from_tokens: usize,
    /// The context.
    pub total_tokens: usize,
    /// Decode steps of a group.
    pub group_steps: usize,
}

impl Sampling {
    /// For these lengths, ascending, with groups sized by the time of a step.
    pub fn new(lengths: Vec<usize>, limits: SamplingLimits, speed: &Speed) -> Self {
        let steps = limits.visit_seconds / (GROUPS as f64 * speed.step_seconds.max(1e-9));
        Self {
            lengths,
            prompt_chunk: limits.prompt_chunk.max(1),
            group_steps: (steps as usize).clamp(1, MAX_GROUP_STEPS),
        }
    }
}

impl Visit {
    /// As something to measure.
    pub fn work(&self) -> Work {
        Work::Visit {
            from_tokens: self.from_tokens,
            total_tokens: self.total_tokens,
            groups: GROUPS,
            group_steps: self.group_steps,
        }
    }

    /// Estimated time, seconds.
    pub fn seconds(&self, speed: &Speed) -> f64 {
        let steps = WARM_STEPS + GROUPS * self.group_steps;
        let start = self.total_tokens.saturating_sub(steps);
        speed.prompt_part_seconds(self.from_tokens, self.total_tokens)
            + speed.decode_seconds(start, self.total_tokens)
    }
}
