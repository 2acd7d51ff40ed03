//! What a handful of samples says: the middle, and how far apart they lie.

/// Median and extremes of a set of samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Number of samples, at least 1.
    pub count: usize,
    /// The middle sample, or the mean of the middle two.
    pub median: f64,
    /// Smallest sample.
    pub low: f64,
    /// Largest sample.
    pub high: f64,
}

impl Summary {
    /// Summary of at least one sample; `None` of none.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let sorted = sorted(samples);
        let (low, high) = (*sorted.first()?, *sorted.last()?);
        Some(Self {
            count: sorted.len(),
            median: middle(&sorted),
            low,
            high,
        })
    }

    /// Distance of the extremes in percent of the median; 0 for a single sample.
    pub fn spread_percent(&self) -> f64 {
        if self.median > 0.0 {
            100.0 * (self.high - self.low) / self.median
        } else {
            0.0
        }
    }
}

/// Median of the samples; 0 of none.
pub fn median(samples: &[f64]) -> f64 {
    middle(&sorted(samples))
}

/// Median of what there is; `None` of nothing.
pub fn median_of(samples: impl IntoIterator<Item = f64>) -> Option<f64> {
    let samples: Vec<f64> = samples.into_iter().collect();
    (!samples.is_empty()).then(|| median(&samples))
}

fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[half],
        _ => (sorted[half - 1] + sorted[half]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_examples() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        let summary = Summary::of(&[9.0, 10.0, 12.0]).expect("three samples");
        assert_eq!(
            (summary.count, summary.median, summary.low, summary.high),
            (3, 10.0, 9.0, 12.0)
        );
        assert_eq!(summary.spread_percent(), 30.0);
    }
}
