//! What somebody may want to know while it runs.

use crate::stage::Stage;

/// Told how far a run is. All methods do nothing unless a view overrides them.
pub trait Progress {
    /// Says which stage of the run comes next.
    fn place(&self, _stage: Stage) {}

    /// Begins a stage of `units` (samples, bytes, estimated milliseconds: only their ratio counts).
    fn stage(&self, _title: &str, _units: u64) {}

    /// How many candidates of how many are still in the race.
    fn left(&self, _running: usize, _all: usize) {}

    /// What the last sample read, and the read bandwidth of its team if that is known, GB/s.
    fn reads(&self, _gb_per_second: f64, _roof: Option<f64>) {}

    /// Some units are done; `message` says what is best so far.
    fn advance(&self, _units: u64, _message: &str) {}

    /// So many units are done in all.
    fn set(&self, _units: u64, _message: &str) {}

    /// A stage of which nobody knows how long it takes went on for `seconds` and is likely to take
    /// `left` more.
    fn goes_on(&self, _seconds: f64, _left: f64, _message: &str) {}

    /// A line that stays.
    fn note(&self, _line: &str) {}

    /// Clears the view.
    fn finish(&self) {}
}

/// Shows nothing.
pub struct Silent;

impl Progress for Silent {}
