//! How often the test errs, where the truth is known: samples are drawn from the model of
//! `docs/en/comparing.md`, with a planted change, thousands of times. The table there has these figures.

use rayon::prelude::*;
use sysinfer_random::SplitMix64;
use sysinfer_stats::between_runs;
use sysinfer_stats::comparison::{ALPHA, MARGIN};
use sysinfer_stats::family::{Pair, alpha_of_each, noise_of_others};
use sysinfer_stats::samples::evenly;
use sysinfer_stats::{Comparison, Samples, Scale, Verdict};

const DRAWS: u64 = 4000;
/// A figure may differ by so much from what is expected: chance, of draws and of other processors' logarithms.
const TOLERANCE: f64 = 0.015;

/// What is compared, and what is true of it.
#[derive(Clone, Copy)]
struct Truth {
    /// Rates that are compared at once.
    rates: usize,
    /// Samples of the first side, and of the second.
    samples: [usize; 2],
    /// In so many runs each.
    runs: [usize; 2],
    /// Standard deviation of one sample within a run.
    noise: f64,
    /// Between runs; all rates of a side share it.
    between: f64,
    /// The second side's true rates over the first's.
    ratio: f64,
    /// One sample of a hundred is at a third of its rate.
    halts: bool,
}

const PLAIN: Truth = Truth {
    rates: 1,
    samples: [3, 3],
    runs: [1, 1],
    noise: 0.03,
    between: 0.0,
    ratio: 1.0,
    halts: false,
};

/// The sum of twelve uniform numbers is close enough to a normal one.
fn normal(random: &mut SplitMix64) -> f64 {
    let uniform = |_| random.below(1 << 20) as f64 / f64::from(1 << 20);
    (0..12).map(uniform).sum::<f64>() - 6.0
}

/// A standard deviation as it is known with the degrees of freedom of a recorded one.
fn estimated(truth: f64, random: &mut SplitMix64) -> f64 {
    let freedom = between_runs::FREEDOM as usize;
    let squares: f64 = (0..freedom).map(|_| normal(random).powi(2)).sum();
    truth * (squares / freedom as f64).sqrt()
}

fn drawn(truth: &Truth, seed: u64) -> Vec<Pair> {
    let mut random = SplitMix64(seed.wrapping_mul(0x9E37_79B9) ^ 0x00C0_FFEE);
    let known = estimated(truth.between, &mut random);
    let sides: Vec<(Vec<usize>, Vec<f64>)> = (0..2)
        .map(|side| {
            let runs = evenly(truth.samples[side], truth.runs[side]);
            let shared = (0..truth.runs[side]).map(|_| truth.between * normal(&mut random));
            (runs, shared.collect())
        })
        .collect();
    let mut side = |index: usize| {
        let (runs, shared) = &sides[index];
        let ratio = if index == 1 { truth.ratio } else { 1.0 };
        let rates: Vec<f64> = runs
            .iter()
            .map(|run| {
                let halted = truth.halts && random.below(100) == 0;
                let log = shared[*run] + truth.noise * normal(&mut random);
                100.0 * ratio * log.exp() / if halted { 3.0 } else { 1.0 }
            })
            .collect();
        Samples::of_rates(&rates, runs).expect("rates")
    };
    (0..truth.rates)
        .map(|_| Pair {
            first: side(0),
            second: side(1),
            between_runs: [known; 2],
        })
        .collect()
}

/// What is said of one of these rates.
fn compared(pairs: &[Pair], index: usize) -> Verdict {
    let comparison = pairs[index].compare(noise_of_others(pairs, index));
    comparison.verdict(alpha_of_each(pairs.len()))
}

/// Share of the draws of which this holds.
fn share(of: impl Fn(u64) -> bool + Sync) -> f64 {
    let draws = (0..DRAWS).into_par_iter();
    draws.filter(|seed| of(*seed)).count() as f64 / DRAWS as f64
}

fn is_different(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Faster | Verdict::Slower)
}

/// Rates that are compared at once, so many samples of each side.
fn many(samples: [usize; 2]) -> Truth {
    Truth {
        rates: 16,
        samples,
        ..PLAIN
    }
}

/// As many runs as samples, between which the host drifts.
fn drifting(between: f64, runs: usize) -> Truth {
    Truth {
        runs: [runs; 2],
        noise: 0.02,
        between,
        ..many([runs.max(3); 2])
    }
}

fn near(name: &str, found: f64, expected: f64) {
    println!("{name}: {:.1} %", 100.0 * found);
    assert!(
        (found - expected).abs() < TOLERANCE,
        "{name}: {found} is not {expected}"
    );
}

#[test]
fn equal_rates_are_called_different_no_more_often_than_alpha_says() {
    let single = |truth: Truth| Truth { rates: 1, ..truth };
    let noisy = |truth: Truth| Truth {
        noise: 0.1,
        ..truth
    };
    let halts = Truth {
        halts: true,
        ..many([3, 3])
    };
    let cases = [
        ("one rate", PLAIN, 0.033),
        (
            "one rate, drift of 7 %, one run",
            single(drifting(0.07, 1)),
            0.045,
        ),
        (
            "one rate, drift of 7 %, three runs",
            single(drifting(0.07, 3)),
            0.016,
        ),
        ("sixteen rates", many([3, 3]), 0.025),
        ("sixteen, nine samples", many([9, 9]), 0.038),
        ("sixteen, one sample against three", many([1, 3]), 0.01),
        ("sixteen, noise of 10 %", noisy(many([3, 3])), 0.025),
        ("sixteen, halts", halts, 0.017),
        ("sixteen, drift of 2 %, one run", drifting(0.02, 1), 0.018),
        ("sixteen, drift of 7 %, one run", drifting(0.07, 1), 0.004),
        ("sixteen, drift of 7 %, nine runs", drifting(0.07, 9), 0.002),
    ];
    for (name, truth, expected) in cases {
        let found = share(|seed| {
            let pairs = drawn(&truth, seed);
            (0..pairs.len()).any(|index| is_different(compared(&pairs, index)))
        });
        near(name, found, expected);
        assert!(found <= ALPHA, "{name}: {found}");
    }
    // One rate alone, on a host three times as noisy as is usual: the limit of the method that the page names.
    let found = share(|seed| is_different(compared(&drawn(&noisy(PLAIN), seed), 0)));
    near("one rate, noise of 10 %", found, 0.09);
}

#[test]
fn planted_losses_are_found() {
    let quiet = Truth {
        noise: 0.01,
        ..many([9, 9])
    };
    let cases = [
        ("3 samples against 3", many([3, 3]), [0.12, 0.78, 1.0, 1.0]),
        (
            "3 samples against 12",
            many([3, 12]),
            [0.206, 0.957, 1.0, 1.0],
        ),
        ("9 samples against 9", many([9, 9]), [0.623, 1.0, 1.0, 1.0]),
        ("9 against 9, noise of 1 %", quiet, [1.0, 1.0, 1.0, 1.0]),
        (
            "drift of 2 %, three runs",
            drifting(0.02, 3),
            [0.062, 0.68, 1.0, 1.0],
        ),
        (
            "drift of 7 %, three runs",
            drifting(0.07, 3),
            [0.002, 0.016, 0.292, 0.997],
        ),
        (
            "drift of 7 %, nine runs",
            drifting(0.07, 9),
            [0.004, 0.126, 0.945, 1.0],
        ),
    ];
    for (name, truth, expected) in cases {
        for (ratio, expected) in [0.95, 0.9, 0.8, 0.6].into_iter().zip(expected) {
            let truth = Truth { ratio, ..truth };
            // Of one rate of the many.
            let found = share(|seed| compared(&drawn(&truth, seed), 0) == Verdict::Slower);
            near(&format!("{name}, {ratio} of the rate"), found, expected);
        }
    }
}

#[test]
fn only_rates_within_the_margin_are_called_the_same() {
    for (noise, samples, of_equal) in [
        (0.003, 3, 1.0),
        (0.01, 3, 0.77),
        (0.01, 9, 0.994),
        (0.02, 3, 0.173),
        (0.02, 9, 0.961),
        (0.02, 30, 0.952),
    ] {
        let same = |ratio: f64| {
            let truth = Truth {
                ratio,
                noise,
                samples: [samples; 2],
                ..PLAIN
            };
            share(|seed| compared(&drawn(&truth, seed), 0) == Verdict::Equivalent)
        };
        near(
            &format!("equal, noise {noise}, {samples} samples"),
            same(1.0),
            of_equal,
        );
        for ratio in [1.0 - MARGIN, 1.0 + MARGIN] {
            let found = same(ratio);
            assert!(
                found <= ALPHA / 2.0,
                "{ratio}, noise {noise}, {samples}: {found}"
            );
        }
    }
}

#[test]
fn pairs_of_rounds_keep_the_level_where_the_noise_is_known_from_before() {
    for (rounds, expected) in [(3, 0.023), (6, 0.037), (12, 0.061), (100, 0.051)] {
        let before = Scale {
            deviation: 0.03,
            freedom: 8.0,
        };
        let found = share(|seed| {
            let mut random = SplitMix64(seed ^ 0xBEEF_0000);
            let pairs: Vec<f64> = (0..rounds).map(|_| 0.03 * normal(&mut random)).collect();
            let scale = Scale::robust([&pairs[..]], before);
            is_different(Comparison::paired(&pairs, scale).verdict(ALPHA))
        });
        near(&format!("{rounds} rounds"), found, expected);
    }
}
