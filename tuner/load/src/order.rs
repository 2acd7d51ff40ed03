//! Percentiles as order statistics: every one is a value that was measured.

use serde::Serialize;

/// A set of values by its mean and some of its order statistics.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Distribution {
    /// Number of values, at least 1.
    pub count: usize,
    /// Sum by count.
    pub mean: f64,
    /// The smallest value that half of the values do not exceed.
    pub p50: f64,
    /// The same for 95 %.
    pub p95: f64,
    /// The same for 99 %.
    pub p99: f64,
    /// The largest value.
    pub max: f64,
}

impl Distribution {
    /// Of at least one value; sorts them.
    pub fn of(values: &mut [f64]) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let max = *values.last()?;
        Some(Self {
            count: values.len(),
            mean: values.iter().sum::<f64>() / values.len() as f64,
            p50: nearest_rank(values, 50),
            p95: nearest_rank(values, 95),
            p99: nearest_rank(values, 99),
            max,
        })
    }
}

/// The smallest of at least one sorted values that `percent` of them do not exceed (the nearest-rank
/// definition; nothing is interpolated).
fn nearest_rank(sorted: &[f64], percent: usize) -> f64 {
    let rank = (percent * sorted.len()).div_ceil(100).max(1);
    sorted[rank - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_examples() {
        assert_eq!(Distribution::of(&mut []), None);
        let mut hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let expected = Distribution {
            count: 100,
            mean: 50.5,
            p50: 50.0,
            p95: 95.0,
            p99: 99.0,
            max: 100.0,
        };
        assert_eq!(Distribution::of(&mut hundred), Some(expected));
        let five = Distribution::of(&mut [15.0, 20.0, 35.0, 40.0, 50.0]).expect("five values");
        assert_eq!((five.p50, five.p95, five.p99), (35.0, 50.0, 50.0));
        let one = Distribution::of(&mut [3.0]).expect("one value");
        assert_eq!((one.mean, one.p50, one.p99, one.max), (3.0, 3.0, 3.0, 3.0));
    }
}
