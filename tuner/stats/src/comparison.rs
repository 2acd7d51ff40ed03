//! The one test of the tuner: is the second of two rates faster or slower than the first, or are they the same
//! but for a margin, or can nobody tell? `docs/en/comparing.md` has the model and its sources.
//!
//! A rate is compared by logarithms, so that a shift of 0.01 is one percent whatever the rate. A sample is
//! the truth, plus what its run shares (between-run variance), plus noise of its own. Samples that were taken
//! in interleaved rounds are compared in pairs, where what runs share cancels; else each side has its own.

use statrs::distribution::{Continuous, ContinuousCDF, Normal, StudentsT};

use crate::between_runs;
use crate::interval::Estimate;
use crate::robust::{CENTRE_LOSS, hodges_lehmann, hodges_lehmann_shift};
use crate::samples::Samples;
use crate::scale::Scale;

/// How often "faster" or "slower" may be said of equal rates: of all that are compared at once, in one case
/// of twenty. The convention of the field, and what a person who compares builds every day can live with.
pub const ALPHA: f64 = 0.05;
/// Rates within this are the same to a user, by convention: one binary on one host differs from one start to the
/// next, by where its pages lie (Kalibera and Jones, "Rigorous benchmarking in reasonable time", 2013), so that a
/// few percent are no reason to tune again.
pub const MARGIN: f64 = 0.05;
/// A difference that is found four times of five counts as one that would show.
pub const POWER: f64 = 0.8;
/// From so many degrees of freedom on, Student's distribution is the normal one.
const MANY: f64 = 1e6;

/// What is said of the second of two rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The interval of the ratio lies above 1.
    Faster,
    /// It lies below 1.
    Slower,
    /// It holds 1, and nothing beyond the margin.
    Equivalent,
    /// It holds 1, and differences that matter.
    CannotTell,
}

impl Verdict {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Equivalent => "equivalent",
            Self::CannotTell => "cannot-tell",
        }
    }

    /// What a person reads.
    pub fn words(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Equivalent => "the same",
            Self::CannotTell => "cannot tell",
        }
    }
}

/// One of two sides that were not measured in turn.
#[derive(Clone, Copy, Debug)]
pub struct Side<'s> {
    /// Its samples.
    pub samples: &'s Samples,
    /// The noise of one of them within a run.
    pub within_run: Scale,
    /// Standard deviation of what runs of its host differ by; 0 where that is not known.
    pub between_runs: f64,
}

/// By how much the second of two rates is faster, as a difference of logarithms, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The estimate; 0.01: one percent faster.
    pub shift: f64,
    /// Its standard error.
    pub error: f64,
    /// Degrees of freedom with which the error is known.
    pub freedom: f64,
    /// Pairs, or samples of the side that has fewer.
    pub count: usize,
}

impl Comparison {
    /// Of at least one difference of logarithms, second less first, each within one round.
    pub fn paired(differences: &[f64], scale: Scale) -> Self {
        let count = differences.len();
        Self {
            shift: hodges_lehmann(differences),
            error: CENTRE_LOSS * scale.deviation / (count.max(1) as f64).sqrt(),
            freedom: scale.freedom,
            count,
        }
    }

    /// Of two sides that were measured one after the other.
    ///
    /// The variance of the shift has three parts: noise within the runs of either side, and what is between
    /// runs. The degrees of freedom of their sum are those of Welch and Satterthwaite (1946).
    pub fn unpaired(first: Side<'_>, second: Side<'_>) -> Self {
        let within = |side: Side<'_>| {
            let count = side.samples.logs().len() as f64;
            let variance = (CENTRE_LOSS * side.within_run.deviation).powi(2) / count;
            (variance, side.within_run.freedom)
        };
        let between =
            |side: Side<'_>| side.between_runs.powi(2) * side.samples.share_of_between_runs();
        let parts = [
            within(first),
            within(second),
            (between(first) + between(second), between_runs::FREEDOM),
        ];
        let variance: f64 = parts.iter().map(|(variance, _)| variance).sum();
        let spread: f64 = parts
            .iter()
            .filter(|(variance, _)| *variance > 0.0)
            .map(|(variance, freedom)| variance * variance / freedom)
            .sum();
        let (first, second) = (first.samples.logs(), second.samples.logs());
        Self {
            shift: hodges_lehmann_shift(first, second),
            error: variance.sqrt(),
            freedom: if spread > 0.0 {
                variance * variance / spread
            } else {
                f64::INFINITY
            },
            count: first.len().min(second.len()),
        }
    }

    /// The shift with so many standard errors added; fewer than none are taken away.
    pub fn plus_errors(&self, errors: f64) -> f64 {
        self.shift + errors * self.error
    }

    /// Limits of the interval that leaves `alpha` outside, half on either side.
    pub fn interval(&self, alpha: f64) -> (f64, f64) {
        let errors = quantile(1.0 - alpha / 2.0, self.freedom);
        (self.plus_errors(-errors), self.plus_errors(errors))
    }

    /// The ratio of the second rate to the first, with that interval.
    pub fn ratio(&self, alpha: f64) -> Estimate {
        let (low, high) = self.interval(alpha);
        Estimate {
            median: self.shift.exp(),
            low: low.exp(),
            high: high.exp(),
            count: self.count,
        }
    }

    /// What that interval says: whether there is a difference, and if it cannot say so, whether all it holds
    /// is within the margin. Each of the three claims is wrong in at most `alpha` of all cases (Goeman, Solari
    /// and Stijnen, "Three-sided hypothesis testing", 2010).
    pub fn verdict(&self, alpha: f64) -> Verdict {
        let (low, high) = self.interval(alpha);
        if low > 0.0 {
            Verdict::Faster
        } else if high < 0.0 {
            Verdict::Slower
        } else if self.is_within_margin(alpha) {
            Verdict::Equivalent
        } else {
            Verdict::CannotTell
        }
    }

    /// Whether the interval holds nothing beyond the margin: two one-sided tests (Schuirmann 1987), each at
    /// half of `alpha`.
    pub fn is_within_margin(&self, alpha: f64) -> bool {
        let (low, high) = self.interval(alpha);
        low >= (1.0 - MARGIN).ln() && high <= (1.0 + MARGIN).ln()
    }

    /// The smallest loss, as a share of the first rate, that is called slower with [`POWER`].
    pub fn smallest_loss_found(&self, alpha: f64) -> f64 {
        let errors = quantile(1.0 - alpha / 2.0, self.freedom) + quantile(POWER, self.freedom);
        1.0 - (-errors * self.error).exp()
    }

    /// What is gained on average by taking the second for the first: the mean of the positive part.
    pub fn expected_gain(&self) -> f64 {
        if self.error <= 0.0 {
            return self.shift.max(0.0);
        }
        let (z, normal) = (self.shift / self.error, Normal::standard());
        self.shift * normal.cdf(z) + self.error * normal.pdf(z)
    }
}

/// Quantile of Student's distribution; infinite without degrees of freedom.
fn quantile(probability: f64, freedom: f64) -> f64 {
    if freedom >= MANY {
        return Normal::standard().inverse_cdf(probability);
    }
    StudentsT::new(0.0, 1.0, freedom)
        .map_or(f64::INFINITY, |student| student.inverse_cdf(probability))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(deviation: f64) -> Scale {
        Scale {
            deviation,
            freedom: f64::INFINITY,
        }
    }

    fn compared(first: &[f64], second: &[f64], within_run: Scale, between_runs: f64) -> Comparison {
        let side = |samples| Side {
            samples,
            within_run,
            between_runs,
        };
        let samples = |rates| Samples::of_rates(rates, &[]).expect("rates");
        Comparison::unpaired(side(&samples(first)), side(&samples(second)))
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        let cases = [
            (0.975, 1.0, 12.706),
            (0.975, 4.0, 2.776),
            (0.9984375, 20.0, 3.359),
            (0.975, 1e7, 1.960),
            (1.0 - 1.6e-4, 14.0, 4.734),
            (1.0 - 2.1e-6, 60.0, 5.063),
        ];
        for (probability, freedom, expected) in cases {
            let found = quantile(probability, freedom);
            assert!(
                (found - expected).abs() < 1e-3,
                "{probability} {freedom}: {found}"
            );
        }
        assert_eq!(quantile(0.975, 0.0), f64::INFINITY);
    }

    #[test]
    fn each_verdict_has_its_interval() {
        let of = |shift: f64, error: f64| {
            let comparison = Comparison {
                shift,
                error,
                freedom: f64::INFINITY,
                count: 3,
            };
            comparison.verdict(ALPHA)
        };
        assert_eq!(of(0.10, 0.05), Verdict::Faster);
        assert_eq!(of(-0.10, 0.05), Verdict::Slower);
        assert_eq!(of(0.001, 0.005), Verdict::Equivalent);
        assert_eq!(of(0.01, 0.03), Verdict::CannotTell);
        assert_eq!(of(-0.09, 0.05), Verdict::CannotTell);
        // A difference that is sure is one, however small; whether it matters, the interval says.
        assert_eq!(of(0.01, 0.001), Verdict::Faster);
        assert_eq!(of(0.0, 0.0), Verdict::Equivalent);
    }

    #[test]
    fn the_error_has_a_part_of_each_side_and_one_between_runs() {
        let found = compared(&[100.0; 3], &[110.0; 3], known(0.02), 0.0);
        assert!((found.shift - 1.1_f64.ln()).abs() < 1e-12);
        assert!((found.error - CENTRE_LOSS * 0.02 * (2.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!((found.freedom, found.count), (f64::INFINITY, 3));
        let drifting = compared(&[100.0; 3], &[110.0; 3], known(1e-9), 0.05);
        assert!(
            (drifting.error - 0.05 * 2.0_f64.sqrt()).abs() < 1e-6,
            "one run each"
        );
        assert!((drifting.freedom - between_runs::FREEDOM).abs() < 1e-3);
        // Two equal parts of four degrees of freedom have eight together.
        let few = Scale {
            deviation: 0.02,
            freedom: 4.0,
        };
        let found = compared(&[100.0; 3], &[110.0; 3], few, 0.0);
        assert!((found.freedom - 8.0).abs() < 1e-9);
    }

    #[test]
    fn samples_without_scatter_and_single_ones_have_an_interval_all_the_same() {
        let none = Scale::pooled([], Scale::UNKNOWN);
        let single = compared(&[100.0], &[200.0], none, 0.0);
        assert_eq!(
            single.verdict(ALPHA),
            Verdict::CannotTell,
            "nothing is known"
        );
        let equal = Scale::pooled([&[1.0; 3][..], &[1.0; 3]], Scale::UNKNOWN);
        let same = compared(&[100.0; 3], &[100.0; 3], equal, 0.0);
        assert_eq!(same.verdict(ALPHA), Verdict::Equivalent);
        assert!(same.ratio(ALPHA).low < 1.0 && same.ratio(ALPHA).high > 1.0);
    }

    #[test]
    fn pairs_are_compared_by_their_differences() {
        let gap = Comparison::paired(&[0.03, 0.05, 0.04, 0.04], known(0.02));
        assert!(
            (gap.shift - 0.04).abs() < 1e-9 && gap.interval(ALPHA).0 > 0.0,
            "{gap:?}"
        );
        assert_eq!(gap.verdict(ALPHA), Verdict::Faster);
        assert_eq!(gap.ratio(ALPHA).count, 4);
    }

    #[test]
    fn gains_and_losses_are_weighed_by_how_sure_they_are() {
        let of = |shift, error| Comparison {
            shift,
            error,
            freedom: f64::INFINITY,
            count: 9,
        };
        assert!((of(0.0, 0.01).expected_gain() - 0.00399).abs() < 1e-4);
        assert!(of(-0.05, 0.01).expected_gain() < 1e-6);
        assert_eq!(of(0.02, 0.0).expected_gain(), 0.02);
        let loss = of(0.0, 0.01).smallest_loss_found(ALPHA);
        assert!((loss - 0.0276).abs() < 1e-4, "2.8 errors: {loss}");
    }
}
