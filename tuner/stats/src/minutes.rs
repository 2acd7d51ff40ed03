//! How much rates of one thing drift from minute to minute, which runs one after the other cannot tell.

/// Time after which a host may have become another, seconds.
pub const APART: f64 = 120.0;
/// Samples that lie this close together, seconds, differ by noise alone.
const TOGETHER: f64 = 15.0;
/// Fewer pairs than this say nothing,
const FEWEST_PAIRS: usize = 8;
/// and a series that is over after fewer minutes than this has one draw of them or two.
const FEWEST_APART: usize = 3;

/// Half the variance of the differences of some pairs of logarithms of rates, as Cressie and Hawkins
/// estimate it ("Robust estimation of the variogram", 1980) from the roots of their sizes: a few seconds in
/// which a host came to a halt count for less than in a mean of squares, and a host that is in one of two
/// states counts as such, as it would not in a median.
#[derive(Clone, Copy, Default)]
struct Semivariance {
    roots: f64,
    pairs: usize,
}

impl Semivariance {
    fn add(&mut self, difference: f64) {
        self.roots += difference.abs().sqrt();
        self.pairs += 1;
    }

    fn known(&self) -> Option<f64> {
        let pairs = self.pairs as f64;
        let value = (self.roots / pairs).powi(4) / (0.457 + 0.494 / pairs) / 2.0;
        (self.pairs >= FEWEST_PAIRS && value.is_finite()).then_some(value)
    }
}

/// Standard deviation of what minutes add to the logarithm of a rate: the semivariance of samples at least
/// two minutes apart, less that of samples within a quarter of a minute (the sill of a variogram without
/// its nugget; Matheron 1963, "Principles of geostatistics"). Every series is one thing, measured again
/// and again: (seconds, rate), in the order of time; those of less than four minutes are left out, so that
/// both kinds of pairs are of the same things. `None` of fewer than eight pairs of either.
pub fn drift<'s>(all: impl IntoIterator<Item = &'s [(f64, f64)]>) -> Option<f64> {
    let (mut near, mut far) = (Semivariance::default(), Semivariance::default());
    let all = all.into_iter();
    for series in
        all.filter(|series| times_apart(series.iter().map(|(time, _)| *time)) >= FEWEST_APART)
    {
        for (index, (time, rate)) in series.iter().enumerate() {
            for (earlier, before) in &series[..index] {
                let between = (time - earlier).abs();
                if between <= TOGETHER {
                    near.add((rate / before).ln());
                } else if between >= APART {
                    far.add((rate / before).ln());
                }
            }
        }
    }
    Some((far.known()? - near.known()?).max(0.0).sqrt())
}

/// How many of these times, ascending, lie at least two minutes after the last that was counted.
pub fn times_apart(seconds: impl IntoIterator<Item = f64>) -> usize {
    let (mut count, mut last) = (0, f64::NEG_INFINITY);
    for time in seconds {
        if time - last >= APART {
            (count, last) = (count + 1, time);
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::SplitMix;

    /// Logarithms that are close to normal: the sum of twelve uniform numbers.
    fn normal(random: &mut SplitMix) -> f64 {
        let uniform = |_| random.below(1 << 20) as f64 / f64::from(1 << 20);
        (0..12).map(uniform).sum::<f64>() - 6.0
    }

    /// A run every ten seconds for an hour: noise of 5 %, and `of_spell` anew every two minutes.
    fn series(of_spell: f64) -> Vec<(f64, f64)> {
        let mut random = SplitMix(7);
        let mut spell = 0.0;
        let run = |index: usize| {
            if index.is_multiple_of(12) {
                spell = of_spell * normal(&mut random);
            }
            let rate = 100.0 * (spell + 0.05 * normal(&mut random)).exp();
            (10.0 * index as f64, rate)
        };
        (0..360).map(run).collect()
    }

    #[test]
    fn minutes_drift_and_what_runs_differ_by_within_one_is_no_drift() {
        let found = drift([&series(0.1)[..]]).expect("many pairs");
        assert!((0.07..0.13).contains(&found), "{found}");
        let steady = drift([&series(0.0)[..]]).expect("many pairs");
        assert!(steady < 0.02, "{steady}");
        // Twenty seconds at a third of the speed are no drift.
        let mut halted = series(0.0);
        halted[100].1 /= 3.0;
        halted[101].1 /= 3.0;
        let halted = drift([&halted[..]]).expect("many pairs");
        assert!(halted < 0.02, "{halted}");
        let short = &series(0.1)[..20];
        assert_eq!(drift([short, short]), None, "three minutes");
        assert_eq!(drift([]), None);
    }

    #[test]
    fn what_is_no_rate_is_no_drift() {
        let series: Vec<(f64, f64)> = (0..99).map(|i| (10.0 * f64::from(i), 0.0)).collect();
        assert_eq!(drift([&series[..]]), None);
    }

    #[test]
    fn times_within_two_minutes_are_one() {
        let count = |times: &[f64]| times_apart(times.iter().copied());
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&[5.0, 6.0, 120.0]), 1);
        assert_eq!(count(&[0.0, 60.0, 120.0, 180.0, 239.0, 245.0]), 3);
    }
}
