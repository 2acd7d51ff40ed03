//! Between-run variance: what rates of one thing differ by from one run to another beyond their noise within a
//! run, as a host drifts from minute to minute. Samples that follow each other cannot tell.

/// Samples that begin at least this much after the first of a run are of another run, seconds: a host may have
/// become another by then.
pub const APART: f64 = 120.0;
/// Degrees of freedom with which a recorded between-run variance is known. Files do not say; a usual search
/// takes a quarter of an hour, which has about eight runs, of some plans that share them.
pub const FREEDOM: f64 = 10.0;
/// Samples that lie this close together, seconds, differ by noise alone.
const TOGETHER: f64 = 15.0;
/// Fewer pairs than this say nothing,
const MIN_PAIRS: usize = 8;
/// and a series of fewer runs than this has one draw of what is between them, or two.
const MIN_RUNS: usize = 3;

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
        (self.pairs >= MIN_PAIRS && value.is_finite()).then_some(value)
    }
}

/// Between-run standard deviation of the logarithm of a rate: the semivariance of samples at least two minutes
/// apart, less that of samples within a quarter of a minute (the sill of a variogram without its nugget;
/// Matheron 1963, "Principles of geostatistics"). Every series is one thing, measured again and again:
/// (seconds, rate), in the order of time; those of less than four minutes are left out, so that both kinds of
/// pairs are of the same things. `None` of fewer than eight pairs of either.
pub fn deviation<'s>(all: impl IntoIterator<Item = &'s [(f64, f64)]>) -> Option<f64> {
    let (mut near, mut far) = (Semivariance::default(), Semivariance::default());
    let all = all.into_iter();
    for series in all.filter(|series| count(series.iter().map(|(time, _)| *time)) >= MIN_RUNS) {
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

/// The number of the run of each of these times, ascending, from 0: a run ends where a time lies at least two
/// minutes after its first.
pub fn runs(seconds: impl IntoIterator<Item = f64>) -> Vec<usize> {
    let mut began = None;
    let mut run = 0;
    let number = |time: f64| {
        match began {
            Some(first) if time - first < APART => {}
            Some(_) => (began, run) = (Some(time), run + 1),
            None => began = Some(time),
        }
        run
    };
    seconds.into_iter().map(number).collect()
}

/// How many runs these times are of.
pub fn count(seconds: impl IntoIterator<Item = f64>) -> usize {
    runs(seconds).last().map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sysinfer_random::SplitMix64;

    /// Logarithms that are close to normal: the sum of twelve uniform numbers.
    fn normal(random: &mut SplitMix64) -> f64 {
        let uniform = |_| random.below(1 << 20) as f64 / f64::from(1 << 20);
        (0..12).map(uniform).sum::<f64>() - 6.0
    }

    /// A run every ten seconds for an hour: noise of 5 %, and `of_run` anew every two minutes.
    fn series(of_run: f64) -> Vec<(f64, f64)> {
        let mut random = SplitMix64(7);
        let mut of_this_run = 0.0;
        let run = |index: usize| {
            if index.is_multiple_of(12) {
                of_this_run = of_run * normal(&mut random);
            }
            let rate = 100.0 * (of_this_run + 0.05 * normal(&mut random)).exp();
            (10.0 * index as f64, rate)
        };
        (0..360).map(run).collect()
    }

    #[test]
    fn noise_within_a_run_is_not_between_runs() {
        let found = deviation([&series(0.1)[..]]).expect("many pairs");
        assert!((0.07..0.13).contains(&found), "{found}");
        let steady = deviation([&series(0.0)[..]]).expect("many pairs");
        assert!(steady < 0.02, "{steady}");
        // Twenty seconds at a third of the speed are not between runs.
        let mut halted = series(0.0);
        halted[100].1 /= 3.0;
        halted[101].1 /= 3.0;
        let halted = deviation([&halted[..]]).expect("many pairs");
        assert!(halted < 0.02, "{halted}");
        let short = &series(0.1)[..20];
        assert_eq!(deviation([short, short]), None, "three minutes");
        assert_eq!(deviation([]), None);
    }

    #[test]
    fn what_is_no_rate_tells_nothing() {
        let series: Vec<(f64, f64)> = (0..99).map(|i| (10.0 * f64::from(i), 0.0)).collect();
        assert_eq!(deviation([&series[..]]), None);
    }

    #[test]
    fn times_within_two_minutes_are_one_run() {
        let count = |times: &[f64]| count(times.iter().copied());
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&[5.0, 6.0, 120.0]), 1);
        assert_eq!(count(&[0.0, 60.0, 120.0, 180.0, 239.0, 245.0]), 3);
        assert_eq!(runs([0.0, 60.0, 120.0, 245.0]), [0, 0, 1, 2]);
    }
}
