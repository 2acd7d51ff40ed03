//! What to run once.

use serde::{Deserialize, Serialize};

/// Decode steps that are not timed, where anything but decoding ran before.
pub const WARM_STEPS: usize = 2;

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
    /// as many. A stop of a sampled pass, which reads one prompt from length to
    /// length.
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
