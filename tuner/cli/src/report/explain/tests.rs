//! Each sentence on planted figures: what must be said, and what must not.

use std::sync::LazyLock;

use sysinfer_engine::{PhasePlan, Plan, StepTimes, WorkerSeconds};
use sysinfer_search::space::Candidate;
use sysinfer_stats::Summary;

use super::*;
use crate::report::Estimates;
use crate::report::tests::info;

fn exactly(value: f64) -> Estimate {
    Estimate {
        median: value,
        low: value,
        high: value,
        count: 5,
    }
}

/// Decoding at `rate` tokens/s and `gb` GB/s, prompts reading at `prefill_gb`.
fn row(total_tokens: usize, rate: f64, gb: f64, prefill_gb: f64) -> Row {
    Row {
        total_tokens,
        decode: Summary::of(&[rate]),
        prefill: Summary::of(&[100.0]),
        estimates: Estimates {
            decode_gb: Some(exactly(gb)),
            prefill_gb: Some(exactly(prefill_gb)),
            ..Estimates::default()
        },
        ..Row::default()
    }
}

/// A split of one step into products, attention, waiting and rest, milliseconds.
fn split(under: Under, phase: Phase, total_tokens: usize, parts: [f64; 4]) -> Split {
    let seconds = |milliseconds: f64| WorkerSeconds {
        mean: milliseconds / 1000.0,
        worst: milliseconds / 1000.0,
    };
    let times = StepTimes {
        step_seconds: parts.iter().sum::<f64>() / 1000.0,
        products: seconds(parts[0]),
        attention: seconds(parts[1]),
        waiting: seconds(parts[2]),
        rest: seconds(parts[3]),
    };
    Split {
        under,
        phase,
        total_tokens,
        steps: vec![times; 3],
    }
}

/// A race of (threads, rate) with one map, won by lane `winner`.
fn race(stage: Stage, rates: &[(usize, f64)], winner: usize) -> Outcome {
    let lane = |(threads, rate): &(usize, f64)| Lane {
        candidate: Candidate {
            name: format!("{threads} unpinned"),
            reason: String::new(),
            rank: (0, 0),
            plan: Plan::with_threads(PhasePlan::unpinned(*threads)),
        },
        rates: vec![*rate; 3],
        out: None,
    };
    Outcome {
        stage,
        title: String::new(),
        lanes: rates.iter().map(lane).collect(),
        winner,
        why: String::new(),
        discarded_rounds: 0,
        noise: 0.01,
    }
}

/// One gigabyte of weights per step.
static INFO: LazyLock<EngineInfo> = LazyLock::new(|| info(1_000_000_000));

fn said_of<'e>(change: impl FnOnce(&mut Evidence<'e>)) -> String {
    let mut evidence = Evidence {
        info: &INFO,
        cache_bytes: 0,
        roof: Some(exactly(30.0)),
        rows: &[],
        splits: &[],
        races: &[],
        contests: &[],
        threads: None,
    };
    change(&mut evidence);
    explain(&evidence).join("\n")
}

#[track_caller]
fn check(text: &str, said: &[&str], unsaid: &[&str]) {
    for part in said {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    for part in unsaid {
        assert!(!text.contains(part), "{part:?} is in\n{text}");
    }
}

#[test]
fn without_measurements_nothing_is_said() {
    assert_eq!(said_of(|evidence| evidence.roof = None), NOTHING);
    assert_eq!(said_of(|_| {}), NOTHING);
}

#[test]
fn the_share_of_the_bandwidth_decides_what_decoding_is_bound_by() {
    let cases = [
        (27.9, "Decoding is bound by memory", "93 %"),
        (15.0, "Decoding is not bound by memory alone", "50 %"),
        (36.0, "does not say what holds it", "120 %"),
    ];
    for (gb, verdict, percent) in cases {
        let rows = [row(32, 28.0, gb, 3.0), row(64, 27.0, 1.0, 3.0)];
        let text = said_of(|evidence| evidence.rows = &rows);
        check(&text, &[verdict, percent, "at 32 tokens"], &[NOTHING]);
        let no_roof = said_of(|evidence| {
            (evidence.rows, evidence.roof) = (&rows, None);
        });
        assert_eq!(no_roof, NOTHING, "no roof, no share");
    }
}

#[test]
fn products_are_set_against_the_bandwidth_while_they_run() {
    let bound = [split(
        Under::Chosen,
        Phase::Decode,
        32,
        [34.0, 2.0, 3.0, 1.0],
    )];
    let text = said_of(|evidence| evidence.splits = &bound);
    check(
        &text,
        &[
            "a decode step of 40.0 ms at 32 tokens, matrix products take 85 %",
            "waiting at barriers 7.5 %",
            "29.41 GB/s, 98 %",
            "so memory is what they wait for",
        ],
        &["arithmetic"],
    );
    let slow = [split(
        Under::Chosen,
        Phase::Decode,
        32,
        [80.0, 2.0, 3.0, 1.0],
    )];
    let text = said_of(|evidence| evidence.splits = &slow);
    check(
        &text,
        &["which these figures do not tell apart"],
        &["bound"],
    );
    let text = said_of(|evidence| {
        (evidence.splits, evidence.roof) = (&slow, None);
    });
    check(
        &text,
        &["matrix products take 93 %"],
        &["GB/s", "arithmetic"],
    );
}

#[test]
fn threads_that_add_nothing_are_named() {
    let flat = [race(
        Stage::DecodeTeam,
        &[(4, 26.2), (2, 26.3), (1, 19.0)],
        1,
    )];
    let text = said_of(|evidence| evidence.races = &flat);
    check(
        &text,
        &["Decoding gets no faster from 2 threads on, more add nothing: 4 threads make 0.996"],
        &["every thread"],
    );
    let harmful = [race(Stage::DecodeTeam, &[(1, 30.0), (2, 10.0)], 0)];
    let text = said_of(|evidence| evidence.races = &harmful);
    check(&text, &["from 1 thread on, more only cost speed"], &[]);
    let steep = [race(Stage::PrefillTeam, &[(1, 50.0), (2, 98.0)], 1)];
    let text = said_of(|evidence| evidence.races = &steep);
    let expected = "Reading prompts uses every thread that was tried: 2 make 1.960 (1.960 to 1.960) times the rate of 1";
    check(&text, &[expected], &["no faster"]);
    let alone = [race(Stage::DecodeTeam, &[(2, 26.0)], 0)];
    assert_eq!(said_of(|evidence| evidence.races = &alone), NOTHING);
}

#[test]
fn waiting_is_compared_with_the_default_plans() {
    let splits = [
        split(Under::Chosen, Phase::Decode, 32, [30.0, 1.0, 0.4, 1.0]),
        split(Under::Default, Phase::Decode, 32, [30.0, 1.0, 4.0, 1.0]),
    ];
    let text = said_of(|evidence| {
        (evidence.splits, evidence.threads) = (&splits, Some((2, 4)));
    });
    check(
        &text,
        &[
            "2 threads wait 0.400 ms per decode step for each other (1.2 % of it); under the default plan, 4 wait 4.000 ms (11 %).",
        ],
        &[],
    );
    let one = said_of(|evidence| evidence.threads = Some((1, 2)));
    check(&one, &["A single thread decodes"], &["wait 0"]);
}

#[test]
fn growth_is_laid_to_attention_only_as_far_as_it_is_its() {
    let short = split(Under::Chosen, Phase::Decode, 32, [30.0, 1.0, 1.0, 1.0]);
    let long = split(Under::Chosen, Phase::Decode, 4096, [30.0, 10.0, 2.0, 1.0]);
    let both = [short.clone(), long];
    let text = said_of(|evidence| evidence.splits = &both);
    check(
        &text,
        &[
            "From 32 to 4096 tokens a decode step grows from 33.0 ms to 43.0 ms; attention makes 9.000 ms of that, 90 %",
        ],
        &[],
    );
    let flat = [
        short,
        split(Under::Chosen, Phase::Decode, 4096, [30.0, 1.5, 1.0, 1.0]),
    ];
    let text = said_of(|evidence| evidence.splits = &flat);
    check(&text, &[], &["grows"]);
}

#[test]
fn prompts_are_bound_by_arithmetic_when_memory_is_idle() {
    let splits = [split(
        Under::Chosen,
        Phase::Prefill,
        512,
        [880.0, 60.0, 20.0, 40.0],
    )];
    for (gb, said, unsaid) in [
        (
            3.0,
            "arithmetic is what it waits for, not memory",
            "memory is what it waits",
        ),
        (18.0, "60 % of the read bandwidth.", "waits for"),
        (36.0, "memory was faster then", "waits for"),
        (27.0, "memory is what it waits for", "arithmetic"),
    ] {
        let rows = [row(512, 1.0, 1.0, gb)];
        let text = said_of(|evidence| {
            (evidence.splits, evidence.rows) = (&splits, &rows);
        });
        check(&text, &["88 % in matrix products", said], &[unsaid]);
    }
}

#[test]
fn contests_say_whether_and_why_the_default_stays() {
    for (verdict, [low, median, high], said) in [
        (
            Verdict::Chosen,
            [1.08, 1.1, 1.12],
            "+10.0 % (+8.0 to +12.0).",
        ),
        (
            Verdict::Unproven,
            [0.98, 1.01, 1.03],
            "do not tell them apart",
        ),
        (Verdict::Unproven, [0.90, 0.92, 0.95], "it was slower"),
        (Verdict::Unproven, [1.02, 1.06, 1.1], "may be luck"),
        (
            Verdict::Harmful,
            [1.02, 1.06, 1.1],
            "other phase was slower",
        ),
    ] {
        let contests = [Contest {
            phase: Phase::Decode,
            rival: exactly(11.0),
            default: exactly(10.0),
            margin: Estimate {
                median,
                low,
                high,
                count: 5,
            },
            verdict,
        }];
        let text = said_of(|evidence| evidence.contests = &contests);
        check(&text, &["the winner of the search for decode", said], &[]);
    }
}

#[test]
fn a_split_on_another_host_is_doubted() {
    let splits = [split(
        Under::Chosen,
        Phase::Decode,
        32,
        [30.0, 1.0, 1.0, 1.0],
    )];
    for (rate, doubted) in [(30.0, false), (50.0, true)] {
        let rows = [row(32, rate, 20.0, 3.0)];
        let text = said_of(|evidence| {
            (evidence.splits, evidence.rows) = (&splits, &rows);
        });
        assert_eq!(text.contains("was not the same then"), doubted, "{text}");
    }
}

#[test]
fn weights_in_the_caches_say_nothing_of_memory() {
    let rows = [row(32, 28.0, 27.9, 3.0), row(512, 27.0, 27.0, 27.0)];
    let splits = [
        split(Under::Chosen, Phase::Decode, 32, [34.0, 2.0, 3.0, 1.0]),
        split(
            Under::Chosen,
            Phase::Prefill,
            512,
            [880.0, 60.0, 20.0, 40.0],
        ),
    ];
    let text = said_of(|evidence| {
        (evidence.rows, evidence.splits) = (&rows, &splits);
        evidence.cache_bytes = 2_000_000_000;
    });
    let silent = ["bound by memory", "wait for", "they read weights"];
    check(
        &text,
        &["the weights fit in the host's caches", "85 %"],
        &silent,
    );
}

#[test]
fn threads_within_noise_are_not_told_apart() {
    let mut close = [race(Stage::DecodeTeam, &[(1, 50.0), (2, 52.0)], 1)];
    close[0].lanes[1].rates = vec![45.0, 53.0, 60.0];
    let text = said_of(|evidence| evidence.races = &close);
    check(
        &text,
        &[
            "2 threads make 1.060 (0.900 to 1.200) times",
            "do not tell them apart",
        ],
        &["uses every"],
    );
}
