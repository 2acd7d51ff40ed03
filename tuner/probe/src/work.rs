//! What to run once.

use serde::{Deserialize, Serialize};
use sysinfer_engine::Phase;

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
            Work::Decode { .. } => Phase::Decode.name(),
            Work::Prefill { .. } => Phase::Prefill.name(),
            Work::Visit { .. } if point == 0 => "visit-prompt",
            Work::Visit { .. } => "visit-steps",
            Work::Batch { .. } => "batch",
            Work::Bandwidth => "bandwidth",
            Work::Stream { .. } => "stream",
        }
    }

    /// Whose team one of the points is of; `None` where the plan has no part in it.
    pub fn team_of(&self, point: usize) -> Option<Phase> {
        match self {
            Work::Prefill { .. } => Some(Phase::Prefill),
            Work::Visit { .. } if point == 0 => Some(Phase::Prefill),
            Work::Decode { .. } | Work::Visit { .. } | Work::Batch { .. } | Work::Bandwidth => {
                Some(Phase::Decode)
            }
            Work::Stream { .. } => None,
        }
    }

    /// The phase whose rate is measured, from prompt to end; `None` of anything else.
    pub fn rate_of(&self) -> Option<Phase> {
        match self {
            Work::Decode { .. } => Some(Phase::Decode),
            Work::Prefill { .. } => Some(Phase::Prefill),
            Work::Visit { .. } | Work::Batch { .. } | Work::Bandwidth | Work::Stream { .. } => None,
        }
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
