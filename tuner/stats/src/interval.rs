//! A middle with its interval: how every measured number is shown.

use super::bootstrap::{median_interval, ratio_interval};
use super::summary::{Summary, median};

/// From so many samples on, an interval is a bootstrap interval; below, it is the range, which holds
/// the true median in 97 of 100 cases of six samples, but in 75 of three.
pub const FEWEST_FOR_BOOTSTRAP: usize = 6;

/// The median of some samples, and between which limits it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The middle sample, or the mean of the middle two.
    pub median: f64,
    /// Lower end of the 95 % bootstrap interval, or the lowest of fewer than six samples.
    pub low: f64,
    /// Upper end, likewise.
    pub high: f64,
    /// Samples behind it, at least 1.
    pub count: usize,
}

impl Estimate {
    /// Of at least one sample; `None` of none.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let summary = Summary::of(samples)?;
        let (low, high) = if summary.count < FEWEST_FOR_BOOTSTRAP {
            (summary.low, summary.high)
        } else {
            median_interval(samples)
        };
        Some(Self {
            median: summary.median,
            low,
            high,
            count: summary.count,
        })
    }

    /// Of `median(ours) / median(theirs)`; `None` without samples on both sides. With fewer than
    /// six on one of them, the limits are the extreme ratios.
    pub fn of_ratio(ours: &[f64], theirs: &[f64]) -> Option<Self> {
        let (our, their) = (Summary::of(ours)?, Summary::of(theirs)?);
        let count = our.count.min(their.count);
        let (low, high) = if count < FEWEST_FOR_BOOTSTRAP {
            (our.low / their.high, our.high / their.low)
        } else {
            ratio_interval(ours, theirs)
        };
        Some(Self {
            median: median(ours) / median(theirs),
            low,
            high,
            count,
        })
    }

    /// As it is known of a summary, whose samples are gone.
    pub fn of_summary(summary: &Summary) -> Self {
        Self {
            median: summary.median,
            low: summary.low,
            high: summary.high,
            count: summary.count,
        }
    }

    /// All three numbers through `change`, which must not fall.
    #[must_use]
    pub fn map(self, change: impl Fn(f64) -> f64) -> Self {
        Self {
            median: change(self.median),
            low: change(self.low),
            high: change(self.high),
            count: self.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_samples_have_their_range_and_more_an_interval_within_it() {
        assert_eq!(Estimate::of(&[]), None);
        let one = Estimate::of(&[4.0]).expect("one");
        assert_eq!(
            (one.low, one.median, one.high, one.count),
            (4.0, 4.0, 4.0, 1)
        );
        let two = Estimate::of(&[4.0, 6.0]).expect("two");
        assert_eq!((two.low, two.median, two.high), (4.0, 5.0, 6.0));
        let samples = [10.0, 10.1, 9.9, 10.05, 9.95, 10.02, 9.98, 30.0, 1.0];
        let many = Estimate::of(&samples).expect("nine");
        assert!(9.5 < many.low && many.low <= many.median, "{many:?}");
        assert!(many.median <= many.high && many.high < 11.0, "{many:?}");
    }

    #[test]
    fn ratios_need_both_sides() {
        assert_eq!(Estimate::of_ratio(&[1.0], &[]), None);
        let few = Estimate::of_ratio(&[6.0, 9.0], &[2.0, 3.0]).expect("both");
        assert_eq!((few.low, few.median, few.high), (2.0, 3.0, 4.5));
        let many = Estimate::of_ratio(&[11.0; 5], &[10.0; 5]).expect("both");
        assert!((many.low - 1.1).abs() < 1e-12 && (many.high - 1.1).abs() < 1e-12);
    }
}
