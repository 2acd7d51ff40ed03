//! One side of a comparison: logarithms of rates, each of which knows the run that it is of.

use std::fmt;

/// Why some numbers are no samples of a rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SampleError {
    /// There are none.
    Empty,
    /// One of them is no rate: zero, negative, infinite or not a number.
    NoRate(f64),
}

impl fmt::Display for SampleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is no sample"),
            Self::NoRate(value) => write!(f, "{value} is no rate; a rate is above 0 and finite"),
        }
    }
}

impl std::error::Error for SampleError {}

/// At least one sample of one rate.
///
/// Samples of one run were taken within two minutes ([`crate::between_runs::APART`]): they share what the host
/// was like then, so that many of them in one run are one draw of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    logs: Vec<f64>,
    runs: Vec<usize>,
}

impl Samples {
    /// Of rates, with the number of the run of each. Where `runs` is shorter, its last run goes on.
    ///
    /// # Errors
    /// Nothing is there, or something that is no rate.
    pub fn of_rates(rates: &[f64], runs: &[usize]) -> Result<Self, SampleError> {
        if rates.is_empty() {
            return Err(SampleError::Empty);
        }
        let is_rate = |rate: &f64| rate.is_finite() && *rate > 0.0;
        if let Some(other) = rates.iter().find(|rate| !is_rate(rate)) {
            return Err(SampleError::NoRate(*other));
        }
        let last = runs.last().copied().unwrap_or(0);
        let run = |index| runs.get(index).copied().unwrap_or(last);
        Ok(Self {
            logs: rates.iter().map(|rate| rate.ln()).collect(),
            runs: (0..rates.len()).map(run).collect(),
        })
    }

    /// Natural logarithms of the rates.
    pub fn logs(&self) -> &[f64] {
        &self.logs
    }

    /// The same samples, each changed.
    #[must_use]
    pub fn map(&self, change: impl Fn(usize, f64) -> f64) -> Self {
        let logs = self.logs.iter().enumerate();
        Self {
            logs: logs.map(|(index, log)| change(index, *log)).collect(),
            runs: self.runs.clone(),
        }
    }

    /// Share of the between-run variance that is left in the mean: 1 of one run, a third of three equal
    /// ones; in general the sum of the squares of the runs' shares.
    pub fn share_of_between_runs(&self) -> f64 {
        let mut runs = self.runs.clone();
        runs.sort_unstable();
        let all = runs.len() as f64;
        runs.chunk_by(|a, b| a == b)
            .map(|run| (run.len() as f64 / all).powi(2))
            .sum()
    }
}

/// Numbers of the runs of so many samples that were taken evenly in so many runs, one after the other.
pub fn evenly(samples: usize, runs: usize) -> Vec<usize> {
    let runs = runs.clamp(1, samples.max(1));
    (0..samples).map(|index| index * runs / samples).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_rate_is_refused_by_name() {
        assert_eq!(Samples::of_rates(&[], &[]), Err(SampleError::Empty));
        for wrong in [0.0, -1.0, f64::INFINITY, f64::NAN] {
            let refused = Samples::of_rates(&[1.0, wrong], &[]).expect_err("no rate");
            assert!(
                refused.to_string().starts_with(&wrong.to_string()),
                "{refused}"
            );
        }
    }

    #[test]
    fn runs_share_what_is_between_them() {
        let share = |runs: &[usize]| {
            let samples = Samples::of_rates(&vec![1.0; runs.len().max(1)], runs);
            samples.expect("rates").share_of_between_runs()
        };
        assert_eq!((share(&[]), share(&[0, 0, 0])), (1.0, 1.0));
        assert!((share(&[0, 1, 2]) - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(share(&[0, 0, 0, 1]), 0.625);
        let longer = Samples::of_rates(&[1.0; 4], &[0, 1]).expect("rates");
        assert_eq!(longer.share_of_between_runs(), 0.625);
    }

    #[test]
    fn samples_spread_over_runs() {
        assert_eq!(evenly(6, 3), [0, 0, 1, 1, 2, 2]);
        assert_eq!(evenly(3, 9), [0, 1, 2]);
        assert_eq!(evenly(2, 0), [0, 0]);
        assert!(evenly(0, 3).is_empty());
    }
}
