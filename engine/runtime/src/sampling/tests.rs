//! Draws as a caller sees them: distributions, repeatability, logits that are not numbers.

use super::*;

const NAN: f32 = f32::NAN;
const LOW: f32 = f32::NEG_INFINITY;
const HIGH: f32 = f32::INFINITY;

fn drawing() -> SamplingOptions {
    SamplingOptions {
        temperature: 1.0,
        ..SamplingOptions::default()
    }
}

fn sampler(options: SamplingOptions) -> Sampler {
    Sampler::new(options, 11).expect("valid options")
}

/// How often each of the tokens comes up in `draws` draws, as a fraction.
fn frequencies(options: SamplingOptions, logits: &[f32], draws: usize) -> Vec<f64> {
    let mut sampler = sampler(options);
    let mut counts = vec![0_usize; logits.len()];
    for _ in 0..draws {
        counts[sampler.sample(logits) as usize] += 1;
    }
    counts
        .into_iter()
        .map(|count| count as f64 / draws as f64)
        .collect()
}

fn assert_close(found: &[f64], wanted: &[f64], what: &str) {
    for (found_one, wanted_one) in found.iter().zip(wanted) {
        // Five standard deviations of a fair coin over 20 000 draws.
        assert!(
            (found_one - wanted_one).abs() < 0.018,
            "{what}: {found:?}, not {wanted:?}"
        );
        assert_eq!(
            *found_one == 0.0,
            *wanted_one == 0.0,
            "{what}: {found:?}, not {wanted:?}"
        );
    }
}

#[test]
fn draws_follow_the_probabilities_that_the_filters_leave() {
    let logits: Vec<f32> = [0.1_f32, 0.5, 0.15, 0.25].iter().map(|p| p.ln()).collect();
    let cases = [
        ("all", drawing(), [0.1, 0.5, 0.15, 0.25]),
        (
            "top_k",
            SamplingOptions {
                top_k: 2,
                ..drawing()
            },
            [0.0, 0.667, 0.0, 0.333],
        ),
        (
            "top_p",
            SamplingOptions {
                top_p: 0.8,
                ..drawing()
            },
            [0.0, 0.556, 0.167, 0.278],
        ),
        (
            "min_p",
            SamplingOptions {
                min_p: 0.4,
                ..drawing()
            },
            [0.0, 0.667, 0.0, 0.333],
        ),
        (
            "min_p and top_k",
            SamplingOptions {
                min_p: 0.25,
                top_k: 9,
                ..drawing()
            },
            [0.0, 0.556, 0.167, 0.278],
        ),
        (
            "temperature",
            SamplingOptions {
                temperature: 0.5,
                ..drawing()
            },
            [0.029, 0.725, 0.065, 0.181],
        ),
        (
            "bias",
            SamplingOptions {
                logit_bias: vec![(1, -100.0), (99, 5.0)],
                ..drawing()
            },
            [0.2, 0.0, 0.3, 0.5],
        ),
    ];
    for (what, options, wanted) in cases {
        assert_close(&frequencies(options, &logits, 20_000), &wanted, what);
    }
}

#[test]
fn penalties_change_what_is_chosen() {
    let logits = [1.0, 1.2];
    let mut sampler = sampler(SamplingOptions {
        presence_penalty: 0.5,
        ..SamplingOptions::default()
    });
    assert_eq!(sampler.sample(&logits), 1);
    sampler.accept(1);
    assert_eq!(sampler.sample(&logits), 0);
    sampler.accept(0);
    assert_eq!(sampler.sample(&logits), 1);
}

#[test]
fn the_prompt_counts_for_repetition_only() {
    let logits = [1.0, 1.2];
    let off = SamplingOptions::default;
    let cases = [
        (
            SamplingOptions {
                repetition_penalty: 2.0,
                ..off()
            },
            0,
        ),
        (
            SamplingOptions {
                frequency_penalty: 2.0,
                ..off()
            },
            1,
        ),
    ];
    for (options, wanted) in cases {
        let mut sampler = sampler(options);
        sampler.accept_prompt(&[1, 1]);
        assert_eq!(sampler.sample(&logits), wanted);
    }
}

#[test]
fn a_seed_decides_every_draw() {
    let logits = vec![0.0; 1000];
    let draws = |seed: Option<u64>, fallback: u64, top_k: usize| -> Vec<u32> {
        let options = SamplingOptions {
            seed,
            top_k,
            ..drawing()
        };
        let mut sampler = Sampler::new(options, fallback).expect("valid options");
        (0..20).map(|_| sampler.sample(&logits)).collect()
    };
    for top_k in [0, 500] {
        assert_eq!(draws(Some(5), 1, top_k), draws(Some(5), 2, top_k));
        assert_eq!(draws(None, 5, top_k), draws(Some(5), 0, top_k));
        assert_ne!(draws(Some(5), 0, top_k), draws(Some(6), 0, top_k));
    }
}

#[test]
fn odd_logits_never_win_and_never_hang() {
    let cases: [(&[f32], &[u32]); 7] = [
        (&[NAN, 0.0, NAN], &[1]),
        (&[LOW, 0.0, NAN], &[1]),
        (&[LOW, LOW], &[0]),
        (&[NAN, NAN], &[0]),
        (&[NAN, LOW], &[0]),
        (&[0.0, HIGH, HIGH], &[1, 2]),
        (&[], &[0]),
    ];
    let options = [
        SamplingOptions::default(),
        drawing(),
        SamplingOptions {
            top_k: 2,
            ..drawing()
        },
        SamplingOptions {
            top_p: 0.9,
            ..drawing()
        },
        SamplingOptions {
            temperature: 1e-40,
            min_p: 0.1,
            ..drawing()
        },
        SamplingOptions {
            temperature: f32::MAX,
            top_p: 0.5,
            ..drawing()
        },
    ];
    for (logits, allowed) in cases {
        for options in &options {
            let mut sampler = sampler(options.clone());
            for _ in 0..50 {
                let token = sampler.sample(logits);
                assert!(
                    allowed.contains(&token),
                    "{token} of {logits:?} with {options:?}"
                );
            }
        }
    }
}

#[test]
fn logprobs_are_those_of_the_raw_logits() {
    let logits = [1.0, 3.0, 2.0];
    let options = SamplingOptions {
        logit_bias: vec![(0, 100.0)],
        ..SamplingOptions::default()
    };
    let mut sampler = sampler(options);
    let token = sampler.sample(&logits);
    let sampled = sampler.with_logprobs(token, &logits, 2);
    assert_eq!(sampled.token, 0);
    let normaliser = (1_f32.exp() + 2_f32.exp() + 3_f32.exp()).ln();
    let wanted = [
        (0, 1.0 - normaliser),
        (1, 3.0 - normaliser),
        (2, 2.0 - normaliser),
    ];
    let found = [(0, sampled.logprob), sampled.top[0], sampled.top[1]];
    assert_eq!(sampled.top.len(), 2);
    for ((found_token, found), (wanted_token, wanted)) in found.into_iter().zip(wanted) {
        assert_eq!(found_token, wanted_token);
        assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
    }
}

#[test]
fn logprobs_of_odd_logits_are_numbers() {
    for logits in [&[NAN, LOW, 1.0][..], &[HIGH, 1.0], &[LOW, LOW], &[NAN], &[]] {
        let mut sampler = sampler(drawing());
        let token = sampler.sample(logits);
        let sampled = sampler.with_logprobs(token, logits, 5);
        assert!(!sampled.logprob.is_nan(), "{logits:?}");
        assert_eq!(sampled.top.len(), logits.len());
        assert!(
            sampled.top.iter().all(|(_, logprob)| *logprob <= 0.0),
            "{logits:?} {sampled:?}"
        );
    }
}

#[test]
fn bad_options_make_no_sampler() {
    let options = SamplingOptions {
        top_p: NAN,
        ..SamplingOptions::default()
    };
    assert!(Sampler::new(options, 0).is_err());
}

#[test]
fn excluded_tokens_are_never_chosen_and_nothing_else_changes() {
    let logits = [1.0, 4.0, 3.0, 2.0];
    let penalised = SamplingOptions {
        frequency_penalty: 0.5,
        ..SamplingOptions::default()
    };
    for options in [SamplingOptions::default(), penalised, drawing()] {
        for excluded in [&[][..], &[1], &[1, 2], &[0, 3], &[9]] {
            let mut masked = logits;
            for token in excluded.iter().filter(|token| **token < 4) {
                masked[*token as usize] = LOW;
            }
            let (mut one, mut other) = (sampler(options.clone()), sampler(options.clone()));
            for draw in 0..50 {
                let (found, wanted) =
                    (one.sample_without(excluded, &logits), other.sample(&masked));
                assert_eq!(
                    found, wanted,
                    "draw {draw} without {excluded:?}: {options:?}"
                );
                one.accept(found);
                other.accept(wanted);
            }
        }
    }
    let nothing_left = sampler(SamplingOptions::default()).sample_without(&[0], &[7.0]);
    assert_eq!(nothing_left, 0);
}
