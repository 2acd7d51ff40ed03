//! Sides read from files, and what is printed of them.

use std::collections::BTreeMap;

use sysinfer_engine::{PhasePlan, Plan};
use sysinfer_journal::facts::TopologyFacts;
use sysinfer_journal::format::{FORMAT, Header, Sample};
use sysinfer_journal::read::Recorded;
use sysinfer_journal::write::Writer;
use sysinfer_machine::Topology;
use sysinfer_probe::{Disturbance, Phase, Point, VoidKind, Work};
use sysinfer_stats::Verdict;
use sysinfer_stats::samples::evenly;
use sysinfer_table::between_runs::BetweenRuns;

use super::rate::{Key, Rate};
use super::*;
use crate::tune::report_of_run::tests::{host, info};

const DECODE_32: Key = (Phase::Decode, 32);

/// A sample of a stage, so many seconds after the first.
pub(crate) fn sample(stage: &str, second: i64, work: Work, points: Vec<Point>) -> Sample {
    Sample {
        stage: stage.into(),
        candidate: "chosen".into(),
        plan: 0,
        work,
        points,
        void: None,
        refused: None,
        clock_seconds: second as f64,
        time: jiff::Timestamp::from_second(1_800_000_000 + second).expect("a time"),
    }
}

/// One run of decoding to 32 tokens, or one prompt.
pub(crate) fn run_of(phase: Phase, second: i64, point: Point) -> Sample {
    let work = match phase {
        Phase::Decode => Work::Decode {
            prompt_tokens: point.total_tokens - point.tokens.min(point.total_tokens),
            lengths: vec![point.total_tokens],
        },
        Phase::Prefill => Work::Prefill {
            tokens: point.total_tokens,
        },
    };
    sample("table", second, work, vec![point])
}

/// A journal of these samples, all under one plan.
pub(crate) fn journal(plan: &Plan, samples: Vec<Sample>) -> Recorded {
    Recorded {
        header: Header {
            format: FORMAT,
            version: "0.1.0".into(),
            date: "2026-11-23T10:00:00Z".into(),
            arguments: Vec::new(),
            host: host(),
            topology: TopologyFacts::from(&Topology::flat(&[0, 1])),
            effective_cpus: 2,
            instruction_sets: Vec::new(),
            findings: Vec::new(),
            source: "m.gguf".into(),
            model: info(1_000_000_000),
            default: Plan::with_threads(PhasePlan::unpinned(2)),
        },
        plans: vec![plan.clone()],
        samples,
        cores: Vec::new(),
        whole_bytes: 0,
        torn: false,
    }
}

/// One decode run of this rate: `seconds` of steps.
fn decoded(second: i64, rate: f64, seconds: f64) -> Sample {
    let point = Point {
        total_tokens: 32,
        tokens: (rate * seconds).round() as usize,
        seconds,
        bytes: 1e9,
    };
    run_of(Phase::Decode, second, point)
}

/// A table of this decode rate, a run every three minutes; of a disturbed host, runs long enough to count all the
/// same.
fn samples(threads: usize, decode: &[f64], disturbed: bool) -> Recorded {
    let busy = Disturbance::new(VoidKind::Busy, "other load took 90 % of the CPUs");
    let mut plan = Plan::with_threads(PhasePlan::unpinned(2));
    plan.decode.threads = threads;
    let read = Point {
        seconds: 1.0,
        bytes: 1e10 * threads as f64,
        ..Point::default()
    };
    let mut all = vec![
        sample("calibration", 0, Work::Prefill { tokens: 8 }, vec![read]),
        sample("table", 0, Work::Bandwidth, vec![read]),
    ];
    for (run, rate) in decode.iter().enumerate() {
        let seconds = if disturbed { 6.0 } else { 1.0 };
        let taken = decoded(180 * run as i64, *rate, seconds);
        all.push(Sample {
            void: disturbed.then(|| busy.clone()),
            ..taken
        });
    }
    all.push(Sample {
        void: Some(busy),
        ..decoded(600, 5.0, 1.0)
    });
    journal(&plan, all)
}

fn side(recorded: &Recorded) -> Side {
    Side {
        name: "report".into(),
        ..Side::of_recorded(recorded).expect("rates")
    }
}

/// The text about both.
fn said(first: &Side, second: &Side) -> String {
    let judged = judge(first, second);
    text([first, second], ["A", "B"], &judged, judged.words())
}

/// With numbers to four digits: logarithms differ in the last one from system to system.
fn rounded(value: serde_json::Value) -> serde_json::Value {
    use serde_json::{Value, json};
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| (key, rounded(value)))
            .collect(),
        Value::Array(values) => values.into_iter().map(rounded).collect(),
        Value::Number(number) if number.is_f64() => {
            json!((number.as_f64().unwrap_or(f64::NAN) * 1e4).round() / 1e4)
        }
        other => other,
    }
}

fn verdict(first: &Side, second: &Side, key: Key) -> Verdict {
    let judged = judge(first, second);
    let row = judged.rows.iter().find(|row| row.key == key);
    judged.verdict(row.expect("on both sides"))
}

#[test]
fn samples_of_the_table_are_compared_with_their_plans() {
    let first = side(&samples(2, &[100.0, 101.0, 99.0], false));
    let second = Side {
        distrust: None,
        ..side(&samples(4, &[120.0, 121.0, 119.0], true))
    };
    insta::assert_snapshot!(said(&first, &second));
    let json = format!(
        "{:#}",
        rounded(json(&first, &second, &judge(&first, &second)))
    );
    insta::assert_snapshot!("json", json);
    let one_run = first.rates[&DECODE_32].samples.share_of_between_runs();
    assert!(
        (one_run - 1.0 / 3.0).abs() < 1e-12,
        "three runs, by their times"
    );
}

#[test]
fn rates_of_a_disturbed_run_are_not_compared_in_silence() {
    let quiet = side(&samples(2, &[100.0, 101.0, 99.0], false));
    let disturbed = side(&samples(2, &[120.0, 121.0, 119.0], true));
    let warning = "B is NOT TO BE TRUSTED: 4 of 6 samples (67 %) were disturbed.";
    let both = said(&quiet, &disturbed);
    assert!(
        both.starts_with(warning) && both.ends_with(warning),
        "{both}"
    );
    assert!(!said(&quiet, &quiet).contains("NOT TO BE TRUSTED"));
}

#[test]
fn sampled_lengths_are_put_together_again_and_marked() {
    let with_pass = |step: f64| {
        let mut recorded = samples(2, &[16.0, 16.0], false);
        for (from, total) in [(0, 32), (0, 512), (512, 1024)] {
            let point = |total_tokens, tokens, seconds| Point {
                total_tokens,
                tokens,
                seconds,
                bytes: 1e9,
            };
            let read = point(total, total - from, 0.01 * (total - from) as f64);
            let steps = (0..12).rev().map(|left| point(total - left, 1, step));
            let work = Work::Visit {
                from_tokens: from,
                total_tokens: total,
                groups: 12,
                group_steps: 1,
            };
            let points = std::iter::once(read).chain(steps).collect();
            recorded.samples.push(sample("table", 700, work, points));
        }
        side(&recorded)
    };
    let (first, second) = (with_pass(0.1), with_pass(0.2));
    // 16 steps in one second are decoded, the rest is at ten steps a second.
    let expected = (1024.0 - 16.0) / (1.0 + (1024.0 - 32.0) * 0.1);
    let of_1024 = &first.rates[&(Phase::Decode, 1024)];
    assert!(of_1024.sampled && (of_1024.summary.median / expected - 1.0).abs() < 1e-9);
    let prompt = &first.rates[&(Phase::Prefill, 1024)].summary;
    assert_eq!((prompt.median, prompt.count), (1024.0 / 10.24, 1));
    assert_eq!(
        verdict(&first, &second, (Phase::Decode, 1024)),
        Verdict::Slower
    );
    insta::assert_snapshot!(said(&first, &second));
}

#[test]
fn what_runs_differ_by_is_no_difference() {
    let side = |rate: f64, prefill: Option<f64>, runs: usize| Side {
        rates: BTreeMap::from([(
            DECODE_32,
            Rate::new(&[rate; 6], &evenly(6, runs), false).expect("rates"),
        )]),
        between_runs: BetweenRuns {
            prefill,
            ..BetweenRuns::default()
        },
        ..Side::default()
    };
    let told = |first: &Side, second: &Side| verdict(first, second, DECODE_32);
    let (before, after) = (side(100.0, None, 1), side(90.0, None, 1));
    assert_eq!(told(&before, &after), Verdict::Slower);
    // Known of one side and one phase, it stands for all of the host.
    let drifting = side(90.0, Some(0.05), 1);
    assert_eq!(told(&before, &drifting), Verdict::CannotTell);
    assert_eq!(told(&drifting, &before), Verdict::CannotTell);
    // Many runs know more.
    let often = |rate| side(rate, Some(0.05), 6);
    assert_eq!(told(&often(100.0), &often(90.0)), Verdict::Slower);
    let line = |first: &Side, second: &Side| {
        let text = said(first, second);
        let line = text
            .lines()
            .find(|line| line.contains("between runs") || line.contains("runs differ"));
        line.unwrap_or_default().to_owned()
    };
    insta::assert_snapshot!(line(&before, &after), @"note: no side says what its host's runs differ by from minute to minute, so intervals do not allow for it");
    insta::assert_snapshot!(line(&before, &drifting), @"standard deviation between runs, which intervals allow for: A not known; B prefill 5.0 %");
}

#[test]
fn what_cannot_be_compared_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |path: &std::path::Path| format!("{:#}", Side::load(path).expect_err("refused"));
    let nothing = refused(folder.path());
    assert!(
        nothing.contains("neither a journal.jsonl nor a profile"),
        "{nothing}"
    );
    let table = folder.path().join("samples.csv");
    std::fs::write(&table, "time,stage\n").expect("written");
    assert!(refused(&table).contains("name the journal.jsonl beside it"));
    let path = folder.path().join("journal.jsonl");
    let recorded = samples(2, &[16.0], false);
    let (header, plan) = (&recorded.header, &recorded.plans[0]);
    let mut writer = Writer::create(&path, header).expect("writable");
    assert!(refused(&path).contains("nothing to compare"));
    for sample in recorded
        .samples
        .iter()
        .filter(|sample| sample.stage == "table")
    {
        writer.sample(plan, sample.clone()).expect("writable");
    }
    let read = Side::load(folder.path()).expect("a journal without a profile");
    assert_eq!(read.rates[&DECODE_32].summary.median, 16.0);
    std::fs::write(&path, "{}\n").expect("written");
    assert!(refused(folder.path()).contains("line 1"));
    assert!(Side::load(&folder.path().join("none.toml")).is_err());
    let no_time = journal(plan, vec![decoded(0, 100.0, 0.0)]);
    let refused = format!("{:#}", Side::of_recorded(&no_time).expect_err("no rate"));
    assert!(
        refused.contains("decode 32") && refused.contains("is no rate"),
        "{refused}"
    );
}

/// Of a run that is in the repository, and whose journal is of an older format.
#[test]
fn reports_of_the_repository_are_compared() {
    let reports = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reports");
    let load = |path: &str| Side::load(&reports.join(path)).expect(path);
    let first = load("amd-epyc-2-cores/2026-11-23-llama3-8b-q4_0-random");
    let second = load("amd-epyc-avx-vnni-2-cores/2026-11-23-llama3-8b-q4_0-random");
    let simulated = load("simulated-kunpeng-920-reference/llama3-8b-q4_0-48-cores");
    for other in [&second, &simulated] {
        assert_eq!(verdict(&first, other, DECODE_32), Verdict::Faster);
    }
}
