//! Many rates of one host compared at once: those of two profiles, or of a profile and of now.
//!
//! Their noise is one subject: what the other rates tell of it counts for each rate beside its own samples. And
//! one question is asked many times, so that each answer has only its part of [`ALPHA`] (Bonferroni): rates of
//! one run rise and fall together, which asks for a rule that holds whatever they have in common.

use crate::comparison::{ALPHA, Comparison, Side};
use crate::interval::Estimate;
use crate::samples::Samples;
use crate::scale::Scale;

/// Noise of one sample on a host of which nothing was seen. It counts for next to nothing: on a host three
/// times as noisy, a belief would raise alarms.
const USUAL_HOST: Scale = Scale {
    deviation: 0.03,
    freedom: 1.0,
};
/// Degrees of freedom that the noise of the other rates counts for, at most, beside a rate's own. Noise differs
/// from length to length, by about half; a larger number would take that for chance.
const MAX_OF_OTHERS: f64 = 8.0;

/// One rate on both sides.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What is compared with.
    pub first: Samples,
    /// What is faster or slower.
    pub second: Samples,
    /// Standard deviation of what runs of the first side's host differ by, and of the second's; 0: not known.
    pub between_runs: [f64; 2],
}

/// The part of [`ALPHA`] that each of so many rates has.
pub fn alpha_of_each(rates: usize) -> f64 {
    ALPHA / rates.max(1) as f64
}

/// Noise of one sample of the rate at `index`, as all others tell.
pub fn noise_of_others(pairs: &[Pair], index: usize) -> Scale {
    let others = pairs[..index].iter().chain(&pairs[index + 1..]);
    let groups = others.flat_map(|pair| [pair.first.logs(), pair.second.logs()]);
    let noise = Scale::pooled(groups, USUAL_HOST);
    Scale {
        freedom: noise.freedom.min(MAX_OF_OTHERS),
        ..noise
    }
}

impl Pair {
    /// Compares the two sides; `noise`: that of the other rates.
    pub fn compare(&self, noise: Scale) -> Comparison {
        let side = |samples, between_runs| Side {
            samples,
            within_run: Scale::pooled([samples.logs()], noise),
            between_runs,
        };
        Comparison::unpaired(
            side(&self.first, self.between_runs[0]),
            side(&self.second, self.between_runs[1]),
        )
    }
}

/// The ratio of one rate to another, each of samples of one run, with its interval; `None` without rates on both
/// sides.
pub fn ratio(ours: &[f64], theirs: &[f64]) -> Option<Estimate> {
    let pair = Pair {
        first: Samples::of_rates(theirs, &[]).ok()?,
        second: Samples::of_rates(ours, &[]).ok()?,
        between_runs: [0.0; 2],
    };
    let noise = noise_of_others(std::slice::from_ref(&pair), 0);
    Some(pair.compare(noise).ratio(ALPHA))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_need_rates_on_both_sides() {
        assert_eq!(ratio(&[1.0], &[]), None);
        assert_eq!(ratio(&[1.0, f64::NAN], &[1.0]), None);
        let found = ratio(&[6.0, 9.0], &[2.0, 3.0]).expect("both");
        assert!((found.median - 3.0).abs() < 1e-12 && found.low < 3.0 && found.high > 3.0);
        let exact = ratio(&[11.0; 5], &[10.0; 5]).expect("both");
        assert!((exact.median - 1.1).abs() < 1e-12 && exact.low > 1.05 && exact.high < 1.15);
    }

    #[test]
    fn the_noise_of_a_rate_is_what_the_others_tell() {
        let pair = |rates: &[f64]| Pair {
            first: Samples::of_rates(rates, &[]).expect("rates"),
            second: Samples::of_rates(rates, &[]).expect("rates"),
            between_runs: [0.0; 2],
        };
        let noisy = [50.0, 100.0, 150.0, 100.0, 60.0, 140.0];
        let pairs = [
            pair(&noisy),
            pair(&[100.0, 101.0, 99.0, 100.0, 100.5, 99.5]),
        ];
        let (of_quiet, of_noisy) = (noise_of_others(&pairs, 1), noise_of_others(&pairs, 0));
        assert!(of_quiet.deviation > 0.3 && of_noisy.deviation < 0.02);
        assert_eq!(of_quiet.freedom, MAX_OF_OTHERS);
        assert_eq!(noise_of_others(&pairs[..1], 0), USUAL_HOST);
        assert_eq!((alpha_of_each(0), alpha_of_each(10)), (ALPHA, ALPHA / 10.0));
    }
}
