//! The search's time: it stands still but for the ends of samples.
//!
//! Deadlines decide what is measured next. Were they held against the wall clock, a resumed search
//! could decide otherwise than the first one did by a microsecond; so they are held against times that
//! are in the journal.

use std::cell::Cell;

/// Time at the end of the latest sample.
#[derive(Debug)]
pub struct SampleClock {
    seconds: Cell<f64>,
    time: Cell<jiff::Timestamp>,
}

impl Default for SampleClock {
    /// At the start of the run.
    fn default() -> Self {
        Self {
            seconds: Cell::new(0.0),
            time: Cell::new(jiff::Timestamp::now()),
        }
    }
}

impl SampleClock {
    /// Seconds since the run began, without the time that it was interrupted for.
    pub fn seconds(&self) -> f64 {
        self.seconds.get()
    }

    /// When the latest sample was taken.
    pub fn time(&self) -> jiff::Timestamp {
        self.time.get()
    }

    /// A sample ended. Seconds never go back.
    pub fn set(&self, seconds: f64, time: jiff::Timestamp) {
        self.seconds.set(self.seconds.get().max(seconds));
        self.time.set(time);
    }
}
