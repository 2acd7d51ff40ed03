//! The stages of a run.

use sysinfer_engine::Phase;

/// The stages of a run, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Bandwidth, and how long a step takes: sizes everything after it.
    Calibration,
    /// Threads and map of decoding.
    DecodeTeam,
    /// Kernels of decoding.
    DecodeKernel,
    /// Prefetch distance of decoding.
    Prefetch,
    /// Threads and map of prefill.
    PrefillTeam,
    /// Kernels of prefill.
    PrefillKernel,
    /// Rows per tile loop of prefill.
    PrefillRows,
    /// Tokens per step of prefill.
    PrefillChunk,
    /// Positions per attention task.
    AttentionChunk,
    /// What was close for decoding, once more.
    DecodeFinal,
    /// What was close for prompts, once more.
    PrefillFinal,
    /// The winner against the default.
    Confirmation,
    /// Rows up to which a step is the decode team's.
    DecodeRows,
    /// Many sequences at once.
    Concurrency,
    /// The winner over all lengths.
    Table,
    /// Where the time of its steps goes.
    Split,
}

impl Stage {
    /// The word in the journal.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Calibration => "calibration",
            Stage::DecodeTeam => "decode-team",
            Stage::DecodeKernel => "decode-kernel",
            Stage::Prefetch => "prefetch",
            Stage::PrefillTeam => "prefill-team",
            Stage::PrefillKernel => "prefill-kernel",
            Stage::PrefillRows => "prefill-rows",
            Stage::PrefillChunk => "prefill-chunk",
            Stage::AttentionChunk => "attention-chunk",
            Stage::DecodeFinal => "decode-final",
            Stage::PrefillFinal => "prefill-final",
            Stage::Confirmation => "confirmation",
            Stage::DecodeRows => "decode-rows",
            Stage::Concurrency => "concurrency",
            Stage::Table => "table",
            Stage::Split => "split",
        }
    }

    /// The phase that a race of this stage is about.
    pub fn phase(self) -> Option<Phase> {
        match self {
            Stage::DecodeTeam
            | Stage::DecodeKernel
            | Stage::Prefetch
            | Stage::AttentionChunk
            | Stage::DecodeFinal => Some(Phase::Decode),
            Stage::PrefillTeam
            | Stage::PrefillKernel
            | Stage::PrefillRows
            | Stage::PrefillChunk
            | Stage::PrefillFinal => Some(Phase::Prefill),
            Stage::Calibration
            | Stage::Confirmation
            | Stage::DecodeRows
            | Stage::Concurrency
            | Stage::Table
            | Stage::Split => None,
        }
    }

    /// Its place among all stages, from 1, and how many there are.
    pub fn place(self) -> (usize, usize) {
        (self as usize + 1, Stage::Split as usize + 1)
    }

    /// What a person calls it.
    pub fn title(self) -> &'static str {
        match self {
            Stage::Calibration => "calibration",
            Stage::DecodeTeam => "decode: threads and map",
            Stage::DecodeKernel => "decode: kernel",
            Stage::Prefetch => "decode: prefetch distance",
            Stage::PrefillTeam => "prefill: threads and map",
            Stage::PrefillKernel => "prefill: kernel",
            Stage::PrefillRows => "prefill: rows per tile loop",
            Stage::PrefillChunk => "prefill: tokens per step",
            Stage::AttentionChunk => "decode: attention chunk",
            Stage::DecodeFinal => "decode: what was close, once more",
            Stage::PrefillFinal => "prefill: what was close, once more",
            Stage::Confirmation => "confirmation against the default",
            Stage::DecodeRows => "many sequences: rows of decode kernels",
            Stage::Concurrency => "many sequences at once",
            Stage::Table => "table",
            Stage::Split => "where a step's time goes",
        }
    }
}
