//! Which candidates are measured, in what order, and who wins.
//!
//! [`works`] sizes samples; [`race`] decides among the candidates of one stage by [`standing`]; [`staged`] goes from
//! stage to stage, each from the winner of the one before, `teams` is its longest and `finals` its last one;
//! [`confirm`] holds the result against the default in fresh
//! rounds, [`many`] goes on to many sequences, [`budget`] cuts the final table to the time there is.

pub mod budget;
pub mod confirm;
mod finals;
pub mod many;
pub mod race;
pub mod staged;
pub mod standing;
mod teams;
pub mod works;

use crate::space::Phase;

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

/// How patient a search is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// About two minutes.
    Quick,
    /// About a quarter of an hour.
    #[default]
    Usual,
    /// As long as it takes.
    Patient,
}

impl Level {
    /// When a run of this level ends if nobody says otherwise, seconds.
    pub fn limit_seconds(self) -> Option<f64> {
        match self {
            Level::Quick => Some(120.0),
            Level::Usual => Some(900.0),
            Level::Patient => None,
        }
    }

    /// Runs of the table.
    pub fn table_runs(self) -> usize {
        match self {
            Level::Quick => 1,
            Level::Usual => 3,
            Level::Patient => 5,
        }
    }

    /// Runs of the table at most, where its rates are unsure and there is time.
    pub fn most_table_runs(self) -> usize {
        match self {
            Level::Quick => 1,
            Level::Usual => 9,
            Level::Patient => 15,
        }
    }
}

/// How much measuring a run may do.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Most rounds of a race.
    pub rounds: usize,
    /// Most rounds of the confirmation.
    pub confirm_rounds: usize,
    /// Time that one sample of a race aims at, seconds.
    pub sample_seconds: f64,
    /// When races must end, seconds on the session's clock.
    pub search_until: Option<f64>,
    /// When the confirmation must end.
    pub confirm_until: Option<f64>,
}

impl Effort {
    /// Share of the time limit by which races end, and by which the confirmation ends; the rest is
    /// for many sequences ([`many::SHARE`]) and the table.
    const SEARCH_SHARE: f64 = 0.64;
    const CONFIRM_SHARE: f64 = 0.83;

    /// The effort of a level, with or without a limit in seconds.
    pub fn new(level: Level, limit_seconds: Option<f64>) -> Self {
        let (rounds, confirm_rounds, sample_seconds) = match level {
            Level::Quick => (6, 16, 0.2),
            Level::Usual => (32, 512, 0.5),
            Level::Patient => (64, 1024, 1.0),
        };
        Self {
            rounds,
            confirm_rounds,
            sample_seconds,
            search_until: limit_seconds.map(|limit| limit * Self::SEARCH_SHARE),
            confirm_until: limit_seconds.map(|limit| limit * Self::CONFIRM_SHARE),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
