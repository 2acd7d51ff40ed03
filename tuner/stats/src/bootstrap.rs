//! Bootstrap interval of a median (Efron 1979, percentile method).
//!
//! Rates of a busy host are not normally distributed, so no formula gives the uncertainty of a
//! median of five: drawing again from the samples does, with no assumption but their independence.

use sysinfer_random::SplitMix64;

use super::summary::median;

const RESAMPLES: usize = 1000;

/// 95 % interval of the median of at least one sample.
///
/// The generator has a fixed seed: the same samples always give the same interval, so a search can
/// be repeated from its samples.
pub fn median_interval(samples: &[f64]) -> (f64, f64) {
    let mut random = SplitMix64(0x5EED);
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| median(&redraw(samples, &mut random)))
        .collect();
    medians.sort_by(f64::total_cmp);
    (
        medians[RESAMPLES / 40],
        medians[RESAMPLES - 1 - RESAMPLES / 40],
    )
}

fn redraw(samples: &[f64], random: &mut SplitMix64) -> Vec<f64> {
    samples
        .iter()
        .map(|_| samples[random.below(samples.len())])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_holds_the_truth_and_shrinks_with_less_noise() {
        let noisy = |scale: f64, noise: f64, seed: u64| -> Vec<f64> {
            let mut random = SplitMix64(seed);
            let unit = |random: &mut SplitMix64| random.below(1001) as f64 / 500.0 - 1.0;
            (0..9)
                .map(|_| scale * (1.0 + noise * unit(&mut random)))
                .collect()
        };
        let (low, high) = median_interval(&noisy(110.0, 0.05, 1));
        assert!(low < 110.0 && 110.0 < high, "{low}..{high}");
        let (tight_low, tight_high) = median_interval(&noisy(110.0, 0.01, 1));
        assert!(tight_high - tight_low < high - low);
    }

    #[test]
    fn single_samples_have_a_point_for_an_interval() {
        assert_eq!(median_interval(&[3.0]), (3.0, 3.0));
    }
}
