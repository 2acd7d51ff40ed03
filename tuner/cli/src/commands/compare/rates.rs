//! Two sets of runs of one work: how they relate, and whether that is more than noise.

use serde::Serialize;
use sysinfer_stats::bootstrap::ratio_interval;
use sysinfer_stats::errors::together;
use sysinfer_stats::interval::FEWEST_FOR_BOOTSTRAP;
use sysinfer_stats::robust::Z_95;
use sysinfer_stats::{Summary, median};

use crate::report::table::number;

/// The least difference that is ever called one: shorter runs of the same plan differ by this much.
const NOISE_FLOOR: f64 = 0.01;
/// With fewer runs on a side, resampling says nothing about its spread.
const ENOUGH_RUNS: usize = FEWEST_FOR_BOOTSTRAP;
/// What the interval is widened by then: runs of one plan differ by as much on a quiet host.
const FEW_RUNS_MARGIN: f64 = 0.05;
/// An interval within this distance of 1 says that rates are the same for practical purposes.
const SAME_WITHIN: f64 = 0.10;

/// What runs tell about two rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// The second is faster beyond noise.
    Faster,
    /// The second is slower beyond noise.
    Slower,
    /// No difference beyond noise, and noise is small.
    Same,
    /// Noise is too large, or runs are too few, to tell.
    NotToldApart,
}

impl Told {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Told::Faster => "faster",
            Told::Slower => "slower",
            Told::Same => "same",
            Told::NotToldApart => "not told apart",
        }
    }
}

/// The second set of runs against the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Relation {
    /// The first set.
    pub first: Summary,
    /// The second set.
    pub second: Summary,
    /// Median of the second over that of the first.
    pub ratio: f64,
    /// 95 % interval of the ratio (bootstrap), wider where runs are few or minutes differ.
    pub interval: (f64, f64),
    /// What that tells.
    pub told: Told,
}

impl Relation {
    /// Relates two sets of rates, each with the standard error that its minutes add to the logarithm of its
    /// median; `None` where one is empty or holds what is no rate.
    pub fn of(
        (first, of_first): (&[f64], f64),
        (second, of_second): (&[f64], f64),
    ) -> Option<Self> {
        let is_rate = |rate: &f64| rate.is_finite() && *rate > 0.0;
        if !first.iter().chain(second).all(is_rate) {
            return None;
        }
        let (first_summary, second_summary) = (Summary::of(first)?, Summary::of(second)?);
        let (mut low, mut high) = ratio_interval(second, first);
        if first.len().min(second.len()) < ENOUGH_RUNS {
            low *= 1.0 - FEW_RUNS_MARGIN;
            high *= 1.0 + FEW_RUNS_MARGIN;
        }
        let ratio = median(second) / median(first);
        let of_minutes = Z_95 * together(of_first, of_second);
        let wider = |bound: f64| together((bound / ratio).ln(), of_minutes);
        let (low, high) = (ratio * (-wider(low)).exp(), ratio * wider(high).exp());
        let told = if ratio > 1.0 + NOISE_FLOOR && low > 1.0 {
            Told::Faster
        } else if ratio < 1.0 - NOISE_FLOOR && high < 1.0 {
            Told::Slower
        } else if low >= 1.0 - SAME_WITHIN && high <= 1.0 + SAME_WITHIN {
            Told::Same
        } else {
            Told::NotToldApart
        };
        Some(Self {
            first: first_summary,
            second: second_summary,
            ratio,
            interval: (low, high),
            told,
        })
    }
}

/// `12.34 (11.90-12.50)`, without a range for a single run.
pub fn rate_text(rates: &Summary) -> String {
    let median = number(Some(rates.median));
    if rates.count > 1 {
        format!(
            "{median} ({}-{})",
            number(Some(rates.low)),
            number(Some(rates.high))
        )
    } else {
        median
    }
}

/// `1.043 (1.020-1.071)`
pub fn ratio_text(relation: &Relation) -> String {
    let (low, high) = relation.interval;
    format!("{:.3} ({low:.3}-{high:.3})", relation.ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let base = [100.0, 101.0, 99.0, 100.5, 99.5];
        let cases: [(&str, &[f64], Option<Told>); 9] = [
            ("clearly faster", &[110.0, 111.0, 109.0], Some(Told::Faster)),
            ("clearly slower", &[90.0, 91.0, 89.0], Some(Told::Slower)),
            ("the same", &[100.4, 101.2, 99.4], Some(Told::Same)),
            (
                "lost in noise",
                &[70.0, 130.0, 103.0, 90.0, 125.0],
                Some(Told::NotToldApart),
            ),
            ("one run, far off", &[80.0], Some(Told::Slower)),
            ("one run, near", &[97.0], Some(Told::Same)),
            ("one run, further", &[94.9], Some(Told::NotToldApart)),
            ("nothing", &[], None),
            ("no rate", &[100.0, 0.0], None),
        ];
        for (name, runs, expected) in cases {
            assert_eq!(
                Relation::of((&base, 0.0), (runs, 0.0)).map(|found| found.told),
                expected,
                "{name}"
            );
        }
        let faster = [110.0, 111.0, 109.0];
        let found = Relation::of((&base, 0.0), (&faster, 0.0)).expect("rates");
        assert_eq!(found.ratio, 1.1);
        assert!(found.interval.0 < 1.1 && 1.1 < found.interval.1);
        assert_eq!(rate_text(&found.second), "110.00 (109.00-111.00)");
        // A tenth is within what minutes differ by, on whichever side.
        for (of_first, of_second) in [(0.06, 0.0), (0.0, 0.06), (0.045, 0.045)] {
            let found = Relation::of((&base, of_first), (&faster, of_second)).expect("rates");
            assert_eq!((found.ratio, found.told), (1.1, Told::NotToldApart));
            let (low, high) = found.interval;
            assert!(
                (0.95..0.98).contains(&low) && (1.23..1.27).contains(&high),
                "{low} {high}"
            );
        }
    }
}
