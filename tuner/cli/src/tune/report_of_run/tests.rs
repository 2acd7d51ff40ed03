//! A run with something of everything planted in it, and what its report says.

use sysinfer_engine::lookup::Rows;
use sysinfer_engine::{EngineInfo, PhasePlan, Plan, StepTimes, WorkerSeconds};
use sysinfer_machine::HostInfo;
use sysinfer_probe::{Point, Stage};
use sysinfer_report::value::Disturbed;
use sysinfer_report::{Length, Section};
use sysinfer_search::confirm::Fate;
use sysinfer_search::race::{Lane, Outcome};
use sysinfer_search::space::{Candidate, Skipped};
use sysinfer_search::staged::Log;
use sysinfer_table::between_runs::BetweenRuns;
use sysinfer_table::concurrency::Concurrency;
use sysinfer_table::sampled::DEFINITION;
use sysinfer_table::split::{Split, Under};
use sysinfer_table::{Sampled, TableData};

use super::conditions::Conditions;
use super::distrust::Distrust;
use super::reference::TABLES;
use super::rows::rows;
use super::samples::{Rival, Samples};
use super::*;

/// What is in every text that comes from outside: none of it may become markup.
pub(crate) const HOSTILE: &str = "<script>alert(\"1\")</script>&'";

/// Two runs of two lengths, and a prompt of a third.
pub(crate) fn data() -> TableData {
    let point = |total_tokens, tokens, seconds| Point {
        total_tokens,
        tokens,
        seconds,
        bytes: 1e9 * tokens as f64,
    };
    let mut data = TableData::default();
    data.decode
        .insert(32, vec![point(32, 16, 1.0), point(32, 16, 2.0)]);
    data.decode
        .insert(64, vec![point(64, 48, 4.0), point(64, 48, 6.0)]);
    data.prefill.insert(128, vec![point(128, 128, 0.5)]);
    data
}

/// The same with a sampled length.
pub(crate) fn sampled_data() -> TableData {
    let mut data = data();
    let pass = Point {
        total_tokens: 128,
        tokens: 112,
        seconds: 14.0,
        bytes: 112e9,
    };
    let rate = Estimate {
        median: 8.0,
        low: 7.5,
        high: 8.5,
        count: 36,
    };
    let passes = vec![pass];
    data.sampled.insert(128, Sampled { passes, rate });
    data
}

/// The lengths of a run that was not told any, the longest sampled, beside a reference.
pub(crate) fn eight_lengths() -> Vec<Length> {
    let about = |median: f64| Estimate {
        median,
        low: 0.97 * median,
        high: 1.02 * median,
        count: 9,
    };
    let row = |power: u32| {
        let rate = about(999.0 / f64::from(power));
        Length {
            total_tokens: 1 << power,
            decode_tokens_per_second: Some(rate),
            decode_is_sampled: Some(power == 12),
            decode_runs: Some(9),
            reference_tokens_per_second: TABLES[0].at(1 << power),
            prefill_tokens_per_second: Some(about(1234.5)),
            ..Length::default()
        }
    };
    (5..=12).map(row).collect()
}

/// A model of which a decode step reads so many bytes.
pub(crate) fn info(decode_bytes: u64) -> EngineInfo {
    EngineInfo {
        name: format!("planted {HOSTILE}"),
        architecture: "llama".into(),
        quantisation: "Q4_0".into(),
        context_length: 8192,
        vocabulary_size: 1000,
        layers: 2,
        embedding_length: 4096,
        heads: 4,
        kv_heads: 4,
        parameters: 1,
        weight_bytes: decode_bytes,
        decode_bytes,
        kv_bytes_per_position: 1024,
        block_types: Vec::new(),
        fingerprint: "planted".into(),
    }
}

pub(crate) fn host() -> HostInfo {
    HostInfo {
        cpu_model: format!("CPU {HOSTILE}"),
        architecture: "x86_64".into(),
        sve_bits: None,
        topology: "1 package x 1 node x 4 cores x 1 thread".into(),
        packages: 1,
        nodes: 1,
        cores: 4,
        cpus: 4,
        memory_bytes: 1 << 34,
        page_bytes: 4096,
        cpu_quota: None,
        kernel: "6.1".into(),
        huge_pages: "always".into(),
    }
}

/// What a report borrows.
pub(crate) struct Planted {
    host: HostInfo,
    info: EngineInfo,
    pub(crate) log: Log,
    pub(crate) confirmation: Option<Confirmation>,
}

impl Planted {
    pub(crate) fn new() -> Self {
        let mut plan = Plan::with_threads(PhasePlan::unpinned(2));
        plan.prefill.cpus = vec![0, 1];
        let outcomes = vec![
            race(Stage::DecodeTeam, &["1", "2", "4"], |plan, place| {
                plan.decode.threads = 1 << place;
            }),
            race(
                Stage::PrefillRows,
                &["rows 16", "rows 64", "rows 32"],
                |plan, place| {
                    plan.blocking.prefill_rows = [16, 64, 32][place];
                },
            ),
            race(
                Stage::PrefillChunk,
                &["chunk 128", "chunk 512"],
                |plan, place| {
                    plan.blocking.prefill_chunk = [128, 512][place];
                },
            ),
            race(Stage::Prefetch, &["prefetch 0", "prefetch 512"], |_, _| {}),
        ];
        Self {
            host: host(),
            info: info(1_000_000_000),
            log: Log {
                outcomes,
                skipped: vec![Skipped {
                    name: "smt".into(),
                    reason: HOSTILE.into(),
                }],
            },
            confirmation: Some(Confirmation {
                plan,
                gain_decode: Some(proven()),
                gain_prefill: None,
                reasons: vec!["decode: +10.0 % over the default".into()],
                decode: Fresh {
                    margin: Some(proven()),
                    candidate: "tuned",
                    fate: Fate::Chosen,
                },
                prefill: Fresh::default(),
            }),
        }
    }

    pub(crate) fn ended(&self) -> Ended<'_> {
        Ended {
            host: &self.host,
            info: &self.info,
            instruction_sets: vec!["avx2".into()],
            date: "2026-11-22T12:00:00Z".into(),
            command: format!("sysinfer-tune '{HOSTILE}'"),
            pins: "decode: 2 threads".into(),
            rows: rows(&data(), Some(20.0), Some(&TABLES[0])),
            bandwidth: vec![20.0, 19.0, 21.0],
            cores: [50.0, 51.5, 40.25]
                .map(|rate| CoreReading {
                    arithmetic: Some(rate),
                    core_to_core: Some(rate / 2.0),
                })
                .into(),
            log: &self.log,
            confirmation: self.confirmation.as_ref(),
            reference: Some(&TABLES[0]),
            remarks: vec![format!("lengths 4096 are left out {HOSTILE}")],
            prompt_tokens: 16,
            splits: vec![split(Phase::Decode, 32), split(Phase::Prefill, 64)],
            concurrency: concurrency(),
            samples: samples(),
            default_threads: 4,
            cache_bytes: 0,
            conditions: Conditions::default(),
            distrust: None,
            sections: vec![Section {
                title: format!("Host check {HOSTILE}"),
                lines: vec!["numa_balancing is on".into()],
                header: vec!["node".into(), "GB/s".into()],
                rows: vec![vec!["0".into(), "20.0".into()]],
            }],
            serve: Some("sysinfer-server m.gguf".into()),
        }
    }
}

/// 100 tokens/s of one sequence and 200 of four, and two parts of prompts beside these.
fn concurrency() -> Concurrency {
    let steps = [
        ((1, 0), vec![0.01, 0.0102, 0.0098]),
        ((4, 0), vec![0.02]),
        ((4, 32), vec![0.05, 0.055]),
        ((4, 64), vec![0.12]),
    ];
    let rows = |((decode, prompt), seconds)| (Rows { decode, prompt }, seconds);
    Concurrency {
        context_tokens: 16,
        token_gap_ms: 100,
        steps: steps.map(rows).into(),
    }
}

/// A gain over the default.
fn proven() -> Estimate {
    Estimate {
        median: 1.1,
        low: 1.078,
        high: 1.122,
        count: 6,
    }
}

/// What may be a gain or none.
pub(crate) fn unproven() -> Estimate {
    Estimate {
        low: 0.99,
        high: 1.21,
        ..proven()
    }
}

fn samples() -> Samples {
    let estimate = |median: f64| Estimate {
        median,
        low: 0.98 * median,
        high: 1.02 * median,
        count: 5,
    };
    Samples {
        between_runs: BetweenRuns {
            decode: Some(0.021),
            prefill: None,
        },
        readings: 60,
        voids: vec![Disturbed {
            reason: "other load took 12 to 30 % of the CPUs".into(),
            count: 3,
            stages: vec!["decode-team".into()],
        }],
        kept: Vec::new(),
        rivals: vec![Rival {
            phase: Phase::Decode,
            candidate: "tuned".into(),
            rate: estimate(11.0),
            default: estimate(10.0),
        }],
    }
}

fn split(phase: Phase, total_tokens: usize) -> Split {
    let seconds = |mean: f64| WorkerSeconds { mean, worst: mean };
    let times = StepTimes {
        step_seconds: 0.1,
        products: seconds(0.08),
        attention: seconds(0.005),
        waiting: seconds(0.01),
        rest: seconds(0.005),
    };
    Split {
        under: Under::Chosen,
        phase,
        total_tokens,
        steps: vec![times; 3],
    }
}

/// A race of these candidates, the second of which won.
fn race(stage: Stage, names: &[&str], change: impl Fn(&mut Plan, usize)) -> Outcome {
    let lane = |(place, name): (usize, &&str)| {
        let mut plan = Plan::with_threads(PhasePlan::unpinned(2));
        change(&mut plan, place);
        let best = if place == 1 { 11.0 } else { 9.0 };
        Lane {
            candidate: Candidate {
                name: (*name).into(),
                reason: format!("why not {HOSTILE}"),
                rank: (0, place),
                plan,
            },
            rates: vec![best, best + 0.2, best - 0.1],
            out: (place == 0).then(|| "18 % slower than the best after round 3".into()),
        }
    };
    Outcome {
        stage,
        title: stage.title().into(),
        lanes: names.iter().enumerate().map(lane).collect(),
        winner: 1,
        why: "11.00 tokens/s, 22.2 % over the next".into(),
        discarded_rounds: 1,
        noise: 0.01,
    }
}

#[test]
fn rows_join_both_phases_and_the_reference() {
    let rows = rows(&data(), Some(20.0), Some(&TABLES[0]));
    let lengths: Vec<usize> = rows.iter().map(|row| row.total_tokens).collect();
    assert_eq!(lengths, [32, 64, 128]);
    let decode = rows[0].decode_tokens_per_second.expect("decoded");
    assert_eq!((rows[0].decode_runs, decode.median), (Some(2), 12.0));
    assert_eq!(rows[0].decode_range, Some((8.0, 16.0)));
    let percent = rows[0].percent_of_read_bandwidth.expect("a roof");
    assert_eq!(
        (percent.low, percent.median, percent.high),
        (40.0, 60.0, 80.0)
    );
    assert_eq!(rows[0].reference_tokens_per_second, Some(28.11));
    assert_eq!(rows[0].prefill_tokens_per_second, None);
    assert_eq!(rows[2].decode_is_sampled, None);
    let first = rows[2].time_to_first_token_ms.map(|first| first.median);
    assert_eq!(first, Some(500.0));
    let prompt = rows[2].prefill_tokens_per_second.map(|rate| rate.median);
    assert_eq!(prompt, Some(256.0));
}

#[test]
fn a_sampled_rate_has_the_interval_of_its_steps_and_the_method_says_what_that_is() {
    let planted = Planted::new();
    let mut ended = planted.ended();
    assert!(
        !ended
            .report(&[], None)
            .method
            .contains(&DEFINITION.to_owned())
    );
    ended.rows = rows(&sampled_data(), Some(20.0), Some(&TABLES[0]));
    assert!(ended.rows[2].is_sampled() && !ended.rows[0].is_sampled());
    let gb = ended.rows[2].decode_gb_per_second.expect("sampled");
    assert_eq!((gb.low, gb.median, gb.high), (7.5, 8.0, 8.5));
    assert!(
        ended
            .report(&[], None)
            .method
            .contains(&DEFINITION.to_owned())
    );
}

#[test]
fn a_share_above_the_median_reading_is_not_called_one_above_all_readings() {
    let planted = Planted::new();
    let said = |gb: f64, cache_bytes| {
        let mut ended = planted.ended();
        ended.cache_bytes = cache_bytes;
        let exactly = |median| Estimate {
            median,
            low: median,
            high: median,
            count: 1,
        };
        ended.rows[0].decode_gb_per_second = Some(exactly(gb));
        ended.rows[0].percent_of_read_bandwidth = Some(exactly(100.0 * gb / 20.0));
        let method = ended.report(&[], None).method;
        method.last().cloned().unwrap_or_default()
    };
    let range = "readings went from 19.0 to 21.0 GB/s.";
    let above_median = format!("A share above 100 % of the median reading: {range}");
    assert_eq!(said(20.5, 0), above_median);
    let above_all = said(22.0, 0);
    assert!(
        above_all.ends_with(&format!("than in any reading; {range}")),
        "{above_all}"
    );
    for silent in [said(19.5, 0), said(22.0, 1 << 40)] {
        assert!(silent.starts_with("Reference: "), "{silent}");
    }
}

#[test]
fn only_what_was_proven_is_a_gain() {
    let mut planted = Planted::new();
    let said = |planted: &Planted| planted.ended().verdict();
    let rates = "Decode runs at 12.00 tokens/s at 32 tokens and 10.00 at 64, 0.43 and 0.36 times the reference; ";
    let proven =
        "over the default plan: decode +10.0 % (+7.8 to +12.2), prefill none: it is the default.";
    assert_eq!(said(&planted), format!("{rates}{proven}"));
    let found = planted.confirmation.as_mut().expect("planted");
    found.gain_decode = Some(unproven());
    assert!(said(&planted).contains("decode no proven gain (-1.0 to +21.0 %)"));
    let report = planted.ended().report(&[], None);
    let decode = report.chosen.expect("planted").decode;
    assert_eq!(
        (decode.gain, decode.rate_over_default),
        (None, Some(unproven()))
    );
    planted.confirmation.as_mut().expect("planted").gain_decode = None;
    assert!(said(&planted).ends_with("; the default plan stays: nothing was proven to be faster."));
    planted.confirmation = None;
    assert!(said(&planted).ends_with("; interrupted before a decision: no plan was chosen."));
    let mut ended = planted.ended();
    ended.rows.clear();
    assert_eq!(
        ended.verdict(),
        "Interrupted before a decision: no plan was chosen."
    );
}

#[test]
fn a_run_that_is_not_to_be_trusted_says_nothing_of_gains_and_how_to_serve() {
    let mut planted = Planted::new();
    let default = Plan::with_threads(PhasePlan::unpinned(4));
    let why = "280 of 281 samples (100 %) were disturbed: 280 busy".to_owned();
    let found = planted.confirmation.take();
    let (distrust, settled) = Distrust::settle(why.clone(), found.as_ref(), &default, false);
    planted.confirmation = settled;
    let ended = Ended {
        distrust: Some(distrust),
        ..planted.ended()
    };
    let report = ended.report(&[], None);
    assert_eq!(report.not_trusted_because, Some(why.clone()));
    assert_eq!(report.verdict, format!("NOT TO BE TRUSTED: {why}"));
    assert_eq!(
        (
            report.serve.as_ref(),
            report.concurrency.as_ref().and_then(|many| many.serving)
        ),
        (None, None)
    );
    let json = sysinfer_report::json(&report).expect("renders");
    assert!(
        json.starts_with("{\n  \"trusted\": false,\n  \"not_trusted_because\": \"280 of"),
        "{json}"
    );
    for gain in ["+10.0", "+7.8", "1.078"] {
        assert!(!json.contains(gain), "{gain} is in {json}");
    }
}

#[test]
fn rates_are_of_all_and_of_each_and_parts_of_prompts_are_held_against_the_gap() {
    let planted = Planted::new();
    let many = planted
        .ended()
        .report(&[], None)
        .concurrency
        .expect("measured");
    let four = many.sequences[1];
    let rates = (
        four.tokens_per_second.median,
        four.tokens_per_second_each.median,
    );
    assert_eq!((four.sequences, rates), (4, (200.0, 50.0)));
    let within: Vec<bool> = many
        .prompt_parts
        .iter()
        .map(|part| part.within_gap)
        .collect();
    assert_eq!(within, [true, false]);
    assert_eq!(
        many.findings,
        [
            "4 sequences at once make 200.00 tokens/s, 2.0 times those of 1: 50.00 for each.",
            "A step that reads 32 tokens of a prompt beside 4 answers stays within the token gap of 100.0 ms.",
            "The profile tells the server to answer 4 requests at once (--parallel), with a token gap of 100 ms \
         (--token-gap), and what these steps took.",
        ]
    );
}

#[test]
fn all_of_a_run_is_in_its_report_and_all_files_are_written() {
    let planted = Planted::new();
    let folder = tempfile::tempdir().expect("a folder");
    let report = write(
        &planted.ended(),
        folder.path(),
        None,
        folder.path().join("samples.csv"),
    );
    let report = report.expect("written");
    for name in [
        "throughput.csv",
        "throughput.svg",
        "step-time.svg",
        "threads-decode.svg",
        "prefill-rows.svg",
        "prefetch.svg",
        "bandwidth-share.svg",
        "summary.md",
        "report.html",
        "report.json",
    ] {
        let path = folder.path().join(name);
        assert!(
            path.is_file() && report.files.contains(&path.display().to_string()),
            "{name}"
        );
    }
    assert_eq!(report.stages[0].candidates.len(), 3);
    assert_eq!(report.stages[0].candidates[0].name, report.stages[0].winner);
    assert_eq!(report.steps[0].parts[0].name, "matrix products");
    assert_eq!((report.samples, report.void_samples[0].count), (60, 3));
    let decode = report.chosen.expect("planted").decode;
    assert_eq!(
        (decode.threads, decode.winner_over_default),
        (2, Some(proven()))
    );
    assert_eq!(
        decode.winner_tokens_per_second.map(|rate| rate.median),
        Some(11.0)
    );
}
