//! The samples of one rate, under its name.

use sysinfer_probe::Phase;
use sysinfer_stats::samples::SampleError;
use sysinfer_stats::{Samples, Summary};

/// A rate: its phase and total length in tokens.
pub type Key = (Phase, usize);

/// What a person calls it.
pub fn named((phase, total_tokens): Key) -> String {
    format!("{} {total_tokens}", phase.name())
}

/// The samples of one rate.
#[derive(Clone, Debug)]
pub struct Rate {
    /// As they are compared.
    pub samples: Samples,
    /// As they are shown, tokens/s.
    pub summary: Summary,
    /// Whether it was sampled, not decoded all the way.
    pub sampled: bool,
}

impl Rate {
    /// Of rates in tokens/s, with the run that each is of.
    ///
    /// # Errors
    /// There are none, or one of them is no rate.
    pub fn new(rates: &[f64], runs: &[usize], sampled: bool) -> Result<Self, SampleError> {
        let samples = Samples::of_rates(rates, runs)?;
        let summary = Summary::of(rates).ok_or(SampleError::Empty)?;
        Ok(Self {
            samples,
            summary,
            sampled,
        })
    }
}
