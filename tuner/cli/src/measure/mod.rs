//! One number, taken honestly: what is run, what is timed, and the trait the search sees.
//!
//! [`engine_probe`] runs the real engine, [`bandwidth`] the roof that its rates are held against,
//! [`cores`] how fast cores are at the moment, [`quiet`] watches the host meanwhile and [`voids`]
//! counts what it found. [`session`] wraps all in what every sample needs: the table of samples,
//! discarding void ones, the time limit and Ctrl-C. [`table`] is the final table, [`beside`] what the
//! host gave in its runs, [`concurrency`] steps of many sequences, [`drift`] how its minutes differ, [`sampled`] the lengths that are too long to be
//! decoded all the way. `scripted` is the machine of the tests.

pub mod bandwidth;
pub mod beside;
pub mod concurrency;
pub mod cores;
pub mod drift;
pub mod engine_probe;
pub mod more_runs;
mod own_team;
pub mod quiet;
pub mod sampled;
#[cfg(test)]
pub(crate) mod scripted;
pub mod session;
pub mod split;
pub mod table;
pub mod voids;

use serde::{Deserialize, Serialize};
use sysinfer_engine::{Plan, StepTimes};

use crate::search::Stage;
use crate::space::Phase;
use cores::CoreReading;
use voids::Disturbance;

/// Decode steps that are not timed, where anything but decoding ran before.
pub const WARM_STEPS: usize = 2;

/// The power of the ratio of lengths by which a longer prompt takes longer: more than the ratio, and less
/// than its square, because attention is a growing part of it.
const PROMPT_GROWTH: f64 = 1.5;

/// What to run once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Work {
    /// One growing sequence: a prompt, then one token per step until the longest length. The time
    /// of the prompt does not count.
    Decode {
        /// Tokens of the prompt.
        prompt_tokens: usize,
        /// Total lengths to report, ascending, all above `prompt_tokens`.
        lengths: Vec<usize>,
    },
    /// One prompt, up to the logits of its last token.
    Prefill {
        /// Tokens of the prompt.
        tokens: usize,
    },
    /// More of one prompt, then decode steps that end at the same length: the sequence is cut back by
    /// as many. A stop of a sampled pass ([`sampled`]).
    Visit {
        /// Tokens of the prompt that are read already; their time does not count.
        from_tokens: usize,
        /// Tokens of the prompt and, in the end, of the sequence.
        total_tokens: usize,
        /// Groups of decode steps, each timed for itself.
        groups: usize,
        /// Steps of a group.
        group_steps: usize,
    },
    /// Steps that extend many sequences at once, as a server does that answers many.
    Batch {
        /// Tokens of each sequence's prompt; their time does not count.
        prompt_tokens: usize,
        /// Numbers of sequences, ascending; each has its steps, one number after the other.
        sequences: Vec<usize>,
        /// Tokens of another prompt that every step reads beside them.
        prompt_rows: usize,
        /// Steps of each number.
        steps: usize,
    },
    /// Streaming reads by the decode team, over memory that no cache holds.
    Bandwidth,
    /// Streaming reads by threads on given CPUs from the memory of given nodes: a row of the
    /// bandwidth map. It does not depend on the plan.
    Stream {
        /// One thread on each.
        cpus: Vec<usize>,
        /// Where the memory lies; `None`: every thread reads memory of its own node.
        memory_node: Option<usize>,
    },
}

impl Work {
    /// The word in messages.
    pub fn phase(&self) -> &'static str {
        self.phase_of(0)
    }

    /// The word in `samples.csv` for one of the points.
    pub fn phase_of(&self, point: usize) -> &'static str {
        match self {
            Work::Decode { .. } => "decode",
            Work::Prefill { .. } => "prefill",
            Work::Visit { .. } if point == 0 => VISIT_PROMPT,
            Work::Visit { .. } => VISIT_STEPS,
            Work::Batch { .. } => BATCH,
            Work::Bandwidth => "bandwidth",
            Work::Stream { .. } => "stream",
        }
    }

    /// Whether the prefill team does it, going by the word of a point.
    pub fn is_of_prompts(phase: &str) -> bool {
        phase == "prefill" || phase == VISIT_PROMPT
    }

    /// Whether a reading of so many points is whole; Ctrl-C ends decode runs early.
    pub fn is_complete(&self, points: usize) -> bool {
        match self {
            Work::Decode { lengths, .. } => points >= lengths.len(),
            Work::Visit { groups, .. } => points > *groups,
            Work::Batch { sequences, .. } => points >= sequences.len(),
            Work::Prefill { .. } | Work::Bandwidth | Work::Stream { .. } => points > 0,
        }
    }
}

/// The part of a prompt that a visit reads, in `samples.csv`.
pub const VISIT_PROMPT: &str = "visit-prompt";
/// A group of decode steps of a visit.
pub const VISIT_STEPS: &str = "visit-steps";

/// Steps of many sequences, in `samples.csv`.
pub const BATCH: &str = "batch";

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

/// One run of a [`Work`].
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

/// Why a run gave no reading.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// This plan cannot be run here; others can.
    #[error("{0}")]
    Refused(String),
    /// A replay, and its journal has no such sample.
    #[error("{0}")]
    Unrecorded(String),
    /// Nothing more can be measured.
    #[error("{0}")]
    Failed(String),
}

/// Something that can be measured under a plan.
pub trait Probe {
    /// Moves to the plan, warms up, runs the work and times it.
    ///
    /// # Errors
    /// [`ProbeError::Refused`] when the plan is at fault, [`ProbeError::Unrecorded`] when a replay ends, else
    /// [`ProbeError::Failed`].
    fn measure(&mut self, plan: &Plan, work: &Work) -> Result<Reading, ProbeError>;

    /// Reads a prompt and decodes some tokens, so as to reach `total_tokens`, and says where the time
    /// of each of these steps went. Empty where the probe cannot look inside a step.
    ///
    /// # Errors
    /// As [`Probe::measure`].
    fn split(&mut self, _plan: &Plan, _total_tokens: usize) -> Result<Steps, ProbeError> {
        Ok(Steps::default())
    }

    /// How fast the cores of the team of `phase` are at the moment, as far as the probe can tell. It is no
    /// sample: no search decides by it.
    ///
    /// # Errors
    /// [`ProbeError::Failed`]: a probe that keeps a journal could not write to it.
    fn cores(&mut self, _plan: &Plan, _phase: Phase) -> Result<CoreReading, ProbeError> {
        Ok(CoreReading::default())
    }

    /// Says what the next measurements are for; of use to a probe that keeps a journal.
    fn announce(&mut self, _stage: Stage, _candidate: &str) {}
}

/// Where the time of steps went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steps {
    /// The prompt, if it was long enough to count as one.
    pub prefill: Vec<StepTimes>,
    /// Tokens that were decoded behind it, one step each.
    pub decode: Vec<StepTimes>,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
}
