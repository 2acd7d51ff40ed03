//! Which candidates are measured, in what order, and who wins.
//!
//! [`works`] sizes samples; [`race`] decides among the candidates of one stage by [`standing`]; [`staged`] goes from
//! stage to stage, each from the winner of the one before, `teams` is its longest and `finals` its last one;
//! [`confirm`] holds the result against the default in fresh
//! rounds, [`many`] goes on to many sequences. [`space`] is what can be tried.
//!
//! Hosts are seen through [`sysinfer_probe::Probe`] only, plans are values: nothing here knows an engine, a file or
//! a terminal.
#![forbid(unsafe_code)]

pub mod confirm;
mod finals;
pub mod many;
pub mod race;
pub mod space;
pub mod staged;
pub mod standing;
mod teams;
pub mod works;

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
