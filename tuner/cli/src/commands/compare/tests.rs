//! Sides read from files, and what is printed of them.

use std::collections::BTreeMap;

use sysinfer_probe::Phase;
use sysinfer_stats::Verdict;
use sysinfer_stats::samples::evenly;
use sysinfer_table::between_runs::BetweenRuns;

use super::rate::{Key, Rate};
use super::*;

const HEADER: &str = "time,stage,candidate,threads,map,cpus,kernels,blocking,phase,total_tokens,\
                      tokens,seconds,tokens_per_second,gb_per_second,read_gb_per_second,note\n";
const DECODE_32: Key = (Phase::Decode, 32);

/// A table of this decode rate, a run every three minutes.
fn samples(threads: usize, decode: &[f64], note: &str) -> String {
    let mut text = HEADER.to_owned();
    text += "t,calibration,x,1,compact,0,k,b,decode,32,16,1.0,999.0,1.0,,\n";
    text += &format!("t,table,x,{threads},compact,0-1,k,b,bandwidth,0,0,1.0,0.0,{threads}0.0,,\n");
    for (run, rate) in decode.iter().enumerate() {
        let minute = 3 * run;
        text += &format!(
            "2026-11-23T10:{minute:02}:00Z,table,chosen,{threads},compact,0-1,k,b,decode,32,16,1.0,{rate},1.0,9.0,{note}\n"
        );
    }
    text + "t,table,chosen,2,compact,0-1,k,b,decode,32,16,1.0,1.0,1.0,9.0,discarded: other load\n"
}

fn side(text: &str) -> anyhow::Result<Side> {
    let directory = tempfile::tempdir()?;
    std::fs::write(directory.path().join("samples.csv"), text)?;
    let side = Side::load(directory.path())?;
    Ok(Side {
        name: "report".into(),
        ..side
    })
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
    let first = side(&samples(2, &[100.0, 101.0, 99.0], "")).expect("samples");
    let second = side(&samples(4, &[120.0, 121.0, 119.0], "kept although busy")).expect("samples");
    let second = Side {
        distrust: None,
        ..second
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
    let quiet = side(&samples(2, &[100.0, 101.0, 99.0], "")).expect("samples");
    let note = "kept although other load took 90 % of the CPUs";
    let disturbed = side(&samples(2, &[120.0, 121.0, 119.0], note)).expect("samples");
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
        let mut text = samples(2, &[16.0, 16.0], "");
        for (from, total) in [(0, 32), (0, 512), (512, 1024)] {
            let tokens = total - from;
            let mut line = |phase: &str, end: usize, tokens: usize, seconds: f64| {
                text += &format!(
                    "t,table,chosen,2,compact,0-1,k,b,{phase},{end},{tokens},{seconds},1.0,1.0,9.0,\n"
                );
            };
            line("visit-prompt", total, tokens, 0.01 * tokens as f64);
            for group in (0..12).rev() {
                line("visit-steps", total - group, 1, step);
            }
        }
        side(&text).expect("samples")
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
    let empty = side(HEADER).expect_err("no samples").to_string();
    assert!(empty.contains("nothing to compare"), "{empty}");
    assert!(side("a,b\n1,2\n").is_err());
    let directory = tempfile::tempdir().expect("directory");
    let nothing = Side::load(directory.path())
        .expect_err("no files")
        .to_string();
    assert!(
        nothing.contains("neither samples.csv nor a profile"),
        "{nothing}"
    );
    assert!(Side::load(&directory.path().join("none.toml")).is_err());
    for wrong in ["0.0", "-1", "NaN", "inf"] {
        let text = samples(2, &[100.0], "").replace(",100,", &format!(",{wrong},"));
        let refused = format!("{:#}", side(&text).expect_err("no rate"));
        assert!(
            refused.contains("decode 32") && refused.contains("is no rate"),
            "{refused}"
        );
    }
}
