//! Readings of cores between runs.

use sysinfer_engine::Plan;
use sysinfer_probe::{CoreReading, Halt, Phase, Session};

/// Readings of one team's cores, one after the other.
pub struct CoreReadings<'p> {
    plan: &'p Plan,
    phase: Phase,
    last: CoreReading,
}

impl<'p> CoreReadings<'p> {
    /// Takes the first.
    ///
    /// # Errors
    /// The journal failed.
    pub fn start(session: &mut Session<'_>, plan: &'p Plan, phase: Phase) -> Result<Self, Halt> {
        let last = session.probe.cores(plan, phase)?;
        Ok(Self { plan, phase, last })
    }

    /// Takes one more; returns the mean of the last two, for what ran between them.
    ///
    /// # Errors
    /// The journal failed.
    pub fn next(&mut self, session: &mut Session<'_>) -> Result<CoreReading, Halt> {
        let before = self.last;
        self.last = session.probe.cores(self.plan, self.phase)?;
        Ok(before.zip(self.last, |one, other| (one + other) / 2.0))
    }
}
