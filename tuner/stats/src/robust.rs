//! Differences of rates that outliers cannot move: paired log ratios, their centre, and how far it
//! can be trusted.
//!
//! Two plans are compared by the logarithm of the ratio of their rates in the same round, because a
//! slow drift of the host then cancels. The centre of several such ratios is the Hodges-Lehmann
//! estimate (1963): nearly as efficient as the mean where noise is normal, and unmoved by up to 29 %
//! of outliers. Its standard error comes from the median absolute deviation of all pairs of a race,
//! together with what earlier races say of the host's noise: a scale from three numbers of its own
//! would be worth nothing.

use super::summary::median;

/// From median absolute deviation to standard deviation, for normal noise.
const MAD_TO_DEVIATION: f64 = 1.4826;
/// Loss of efficiency of the Hodges-Lehmann estimate against the mean (3 / pi), as a factor on errors.
const CENTRE_LOSS: f64 = 1.023;
/// Noise is never believed to be less: clocks and caches alone make this much.
const LEAST_DEVIATION: f64 = 0.001;

/// Quantile of the normal distribution that encloses 95 %.
pub const Z_95: f64 = 1.96;

/// An estimated difference of logarithms: how much faster one plan is than another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gap {
    /// Hodges-Lehmann centre; 0.01: one percent faster.
    pub centre: f64,
    /// Its standard error.
    pub error: f64,
    /// Pairs it comes from.
    pub pairs: usize,
}

impl Gap {
    /// From paired log ratios (at least one) and the standard deviation of one such ratio.
    pub fn of(ratios: &[f64], deviation: f64) -> Gap {
        Gap {
            centre: hodges_lehmann(ratios),
            error: CENTRE_LOSS * deviation / (ratios.len().max(1) as f64).sqrt(),
            pairs: ratios.len(),
        }
    }

    /// Lower end of the interval of `z` standard errors.
    pub fn low(&self, z: f64) -> f64 {
        self.centre - z * self.error
    }

    /// Upper end.
    pub fn high(&self, z: f64) -> f64 {
        self.centre + z * self.error
    }

    /// What is lost on average by taking the other plan: the mean of the positive part.
    pub fn expected_gain(&self) -> f64 {
        if self.error <= 0.0 {
            return self.centre.max(0.0);
        }
        let z = self.centre / self.error;
        let density = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
        self.centre * normal_below(z) + self.error * density
    }

    /// The 95 % interval as a factor on the rate.
    pub fn factors(&self) -> (f64, f64) {
        (self.low(Z_95).exp(), self.high(Z_95).exp())
    }
}

/// Median of the means of all pairs, each value paired with itself too; 0 of none.
pub fn hodges_lehmann(values: &[f64]) -> f64 {
    let mut means = Vec::with_capacity(values.len() * (values.len() + 1) / 2);
    for (index, a) in values.iter().enumerate() {
        means.extend(values[index..].iter().map(|b| (a + b) / 2.0));
    }
    median(&means)
}

/// Standard deviation of one log ratio, from those of all lanes of a race and what was known before,
/// which counts for `weight_before` residuals.
pub fn deviation(lanes: &[&[f64]], before: f64, weight_before: f64) -> f64 {
    let mut residuals = Vec::new();
    let mut free = 0.0;
    for ratios in lanes.iter().filter(|ratios| ratios.len() > 1) {
        let centre = hodges_lehmann(ratios);
        let count = ratios.len() as f64;
        // Residuals about their own centre are too small by what the centre took from them.
        let grown = (count / (count - 1.0)).sqrt();
        residuals.extend(ratios.iter().map(|ratio| grown * (ratio - centre).abs()));
        free += count - 1.0;
    }
    let seen = MAD_TO_DEVIATION * median(&residuals);
    let weight = weight_before + free;
    let variance = (weight_before * before * before + free * seen * seen) / weight;
    variance.sqrt().max(LEAST_DEVIATION)
}

/// Share of the normal distribution below `z` (Abramowitz and Stegun 7.1.26; error below 2e-7).
fn normal_below(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let polynomial = t
        * (0.254_829_592
            + t * (-0.284_496_736
                + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let outside = 0.5 * polynomial * (-x * x).exp();
    if z > 0.0 { 1.0 - outside } else { outside }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_do_not_move_the_centre() {
        let quiet = [0.01, 0.02, 0.0, 0.015, 0.005, 0.01];
        let mut hit = quiet;
        hit[2] = -0.5;
        assert!((hodges_lehmann(&quiet) - 0.01).abs() < 1e-9);
        assert!((hodges_lehmann(&hit) - 0.01).abs() < 0.006);
        assert_eq!((hodges_lehmann(&[]), hodges_lehmann(&[0.3])), (0.0, 0.3));
    }

    #[test]
    fn the_deviation_goes_from_what_was_known_to_what_is_seen() {
        assert_eq!(
            deviation(&[&[0.1]], 0.05, 4.0),
            0.05,
            "one pair says nothing"
        );
        let lane: Vec<f64> = (0..400)
            .map(|i| 0.02 * if i % 2 == 0 { 1.0 } else { -1.0 })
            .collect();
        let seen = deviation(&[&lane], 0.5, 4.0);
        assert!((0.02..0.06).contains(&seen), "{seen}");
    }

    #[test]
    fn gaps_know_how_sure_they_are() {
        let gap = Gap::of(&[0.03, 0.05, 0.04, 0.04], 0.02);
        assert!(
            (gap.centre - 0.04).abs() < 1e-9 && gap.low(Z_95) > 0.0,
            "{gap:?}"
        );
        let (low, high) = gap.factors();
        assert!(low < 1.0408 && 1.0408 < high);
        let even = Gap {
            centre: 0.0,
            error: 0.01,
            pairs: 9,
        };
        assert!((even.expected_gain() - 0.00399).abs() < 1e-4);
        let behind = Gap {
            centre: -0.05,
            error: 0.01,
            pairs: 9,
        };
        assert!(behind.expected_gain() < 1e-6);
        let exact = Gap {
            centre: 0.02,
            error: 0.0,
            pairs: 1,
        };
        assert_eq!(exact.expected_gain(), 0.02);
    }
}
