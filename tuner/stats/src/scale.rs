//! How much single values scatter, from several groups of them and from what was known before.
//!
//! Three samples say little about their own noise. So the scatter of one group is joined with that of others
//! or of an earlier measurement, which counts for some degrees of freedom: the moderated variance of Smyth
//! ("Linear models and empirical Bayes methods for assessing differential expression", 2004), whose degrees
//! of freedom are the sum of both.

use crate::robust::hodges_lehmann;
use crate::summary::median;

/// From median absolute deviation to standard deviation, for normal noise.
const MAD_TO_DEVIATION: f64 = 1.4826;
/// Noise is never believed to be less: clocks and caches alone make this much. It also keeps samples that are
/// equal to the digit from being proof.
const MIN_DEVIATION: f64 = 0.001;

/// A standard deviation, and the degrees of freedom with which it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Standard deviation of one value.
    pub deviation: f64,
    /// Degrees of freedom; 0: nothing is known.
    pub freedom: f64,
}

impl Scale {
    /// Before anything was seen.
    pub const UNKNOWN: Self = Self {
        deviation: 0.0,
        freedom: 0.0,
    };

    /// From squares about the mean of each group. Rare values far off count in full: where runs are few,
    /// and a host may have two speeds, they are half of the truth.
    pub fn pooled<'g>(groups: impl IntoIterator<Item = &'g [f64]>, before: Self) -> Self {
        let (mut squares, mut freedom) = (0.0, 0.0);
        for group in groups.into_iter().filter(|group| group.len() > 1) {
            let count = group.len() as f64;
            let mean = group.iter().sum::<f64>() / count;
            squares += group.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
            freedom += count - 1.0;
        }
        before.joined(squares, freedom)
    }

    /// From the median absolute deviation about the centre of each group. Rare values far off count
    /// little: among the many rounds of a race they are accidents.
    pub fn robust<'g>(groups: impl IntoIterator<Item = &'g [f64]>, before: Self) -> Self {
        let (mut residuals, mut freedom) = (Vec::new(), 0.0);
        for group in groups.into_iter().filter(|group| group.len() > 1) {
            let centre = hodges_lehmann(group);
            let count = group.len() as f64;
            // Residuals about their own centre are too small by what the centre took from them.
            let grown = (count / (count - 1.0)).sqrt();
            residuals.extend(group.iter().map(|value| grown * (value - centre).abs()));
            freedom += count - 1.0;
        }
        let seen = MAD_TO_DEVIATION * median(&residuals);
        before.joined(freedom * seen * seen, freedom)
    }

    /// The one of two that is less.
    #[must_use]
    pub fn quieter(self, other: Self) -> Self {
        if other.deviation < self.deviation {
            other
        } else {
            self
        }
    }

    /// The one of two that is more.
    #[must_use]
    pub fn noisier(self, other: Self) -> Self {
        if other.deviation > self.deviation {
            other
        } else {
            self
        }
    }

    /// With so many more degrees of freedom, whose squares add up to this.
    fn joined(self, squares: f64, freedom: f64) -> Self {
        let all = self.freedom + freedom;
        let before = match self.freedom > 0.0 {
            true => self.freedom * self.deviation * self.deviation,
            false => 0.0,
        };
        let variance = if all > 0.0 {
            (before + squares) / all
        } else {
            0.0
        };
        Self {
            deviation: variance.sqrt().max(MIN_DEVIATION),
            freedom: all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_count_by_what_is_free_in_them() {
        let before = Scale {
            deviation: 0.05,
            freedom: 4.0,
        };
        let nothing: [&[f64]; 2] = [&[7.0], &[]];
        assert_eq!(Scale::pooled(nothing, before), before);
        assert_eq!(
            Scale::pooled(nothing, Scale::UNKNOWN).deviation,
            MIN_DEVIATION
        );
        // Sums of squares 2 and 8, with one and two degrees of freedom.
        let groups: [&[f64]; 2] = [&[1.0, 3.0], &[10.0, 12.0, 14.0]];
        let alone = Scale::pooled(groups, Scale::UNKNOWN);
        assert!((alone.deviation - (10.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        let joined = Scale::pooled(groups, before);
        assert!((joined.deviation - ((4.0 * 0.0025 + 10.0) / 7.0_f64).sqrt()).abs() < 1e-12);
        assert_eq!((alone.freedom, joined.freedom), (3.0, 7.0));
    }

    #[test]
    fn one_value_far_off_counts_where_values_are_few_and_little_where_they_are_many() {
        let logs = [478.0_f64.ln(), 473.0_f64.ln(), 392.0_f64.ln()];
        assert!(Scale::pooled([&logs[..]], Scale::UNKNOWN).deviation > 0.1);
        let mut lane: Vec<f64> = (0..100).map(|i| 0.02 * f64::from(i % 2)).collect();
        let quiet = Scale::robust([&lane[..]], Scale::UNKNOWN).deviation;
        lane[50] = -1.0;
        let hit = Scale::robust([&lane[..]], Scale::UNKNOWN).deviation;
        assert!((hit / quiet - 1.0).abs() < 0.02, "{quiet} {hit}");
    }

    #[test]
    fn what_was_known_gives_way_to_what_is_seen() {
        let before = Scale {
            deviation: 0.5,
            freedom: 4.0,
        };
        let lane: Vec<f64> = (0..400)
            .map(|i| if i % 2 == 0 { 0.02 } else { -0.02 })
            .collect();
        let seen = Scale::robust([&lane[..]], before);
        assert!((0.02..0.06).contains(&seen.deviation), "{seen:?}");
        assert_eq!(seen.freedom, 403.0);
    }
}
