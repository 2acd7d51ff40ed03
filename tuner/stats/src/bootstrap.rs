//! Bootstrap interval of a ratio of medians (Efron 1979, percentile method).
//!
//! Rates of a busy host are not normally distributed, so no formula gives the uncertainty of a
//! median of five: drawing again from the samples does, with no assumption but their independence.

use super::summary::median;

const RESAMPLES: usize = 1000;

/// 95 % interval of `median(ours) / median(theirs)`. Both need at least one sample.
///
/// The generator has a fixed seed: the same samples always give the same interval, so a search can
/// be repeated from its samples.
pub fn ratio_interval(ours: &[f64], theirs: &[f64]) -> (f64, f64) {
    let mut random = SplitMix(0x5EED);
    let mut ratios: Vec<f64> = (0..RESAMPLES)
        .map(|_| median(&redraw(ours, &mut random)) / median(&redraw(theirs, &mut random)))
        .collect();
    ratios.sort_by(f64::total_cmp);
    (
        ratios[RESAMPLES / 40],
        ratios[RESAMPLES - 1 - RESAMPLES / 40],
    )
}

/// 95 % interval of the median of at least one sample, in the same way.
pub fn median_interval(samples: &[f64]) -> (f64, f64) {
    let mut random = SplitMix(0x5EED);
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| median(&redraw(samples, &mut random)))
        .collect();
    medians.sort_by(f64::total_cmp);
    (
        medians[RESAMPLES / 40],
        medians[RESAMPLES - 1 - RESAMPLES / 40],
    )
}

fn redraw(samples: &[f64], random: &mut SplitMix) -> Vec<f64> {
    samples
        .iter()
        .map(|_| samples[random.below(samples.len())])
        .collect()
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, seedable, good enough to draw indices and tokens.
#[derive(Clone, Debug)]
pub struct SplitMix(pub u64);

impl SplitMix {
    /// The next 64 bits.
    pub fn next_bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..limit`; 0 when `limit` is 0. The bias of the remainder is below 2^-40 here.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next_bits() % limit.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_holds_the_truth_and_shrinks_with_less_noise() {
        let noisy = |scale: f64, noise: f64, seed: u64| -> Vec<f64> {
            let mut random = SplitMix(seed);
            let unit = |random: &mut SplitMix| random.below(1001) as f64 / 500.0 - 1.0;
            (0..9)
                .map(|_| scale * (1.0 + noise * unit(&mut random)))
                .collect()
        };
        let (low, high) = ratio_interval(&noisy(110.0, 0.05, 1), &noisy(100.0, 0.05, 2));
        assert!(low < 1.1 && 1.1 < high, "{low}..{high}");
        let (tight_low, tight_high) =
            ratio_interval(&noisy(110.0, 0.01, 1), &noisy(100.0, 0.01, 2));
        assert!(tight_high - tight_low < high - low);
        assert!(
            tight_low > 1.0,
            "a tenth is far outside one percent of noise: {tight_low}"
        );
    }

    #[test]
    fn single_samples_have_a_point_for_an_interval() {
        assert_eq!(ratio_interval(&[3.0], &[2.0]), (1.5, 1.5));
    }
}
