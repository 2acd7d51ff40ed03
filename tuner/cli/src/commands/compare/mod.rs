//! `compare`: two profiles or reports side by side: what differs, and whether rates do beyond noise.

pub mod rates;
mod runs;
pub mod side;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use sysinfer_profiles::trust::NOT_TO_BE_TRUSTED;
use sysinfer_stats::Summary;
use sysinfer_table::sampled::DEFINITION;

use self::rates::{Relation, Told, rate_text, ratio_text};
use self::side::Side;
use crate::Ending;
use crate::report::table;

/// Bandwidths that differ by more explain a difference of decode rates.
const BANDWIDTH_MARGIN: f64 = 0.05;
/// What is absent on one side.
const ABSENT: &str = "-";

const EXAMPLES: &str = "\
Examples:
  sysinfer-tune compare monday.toml friday.toml
  sysinfer-tune compare sysinfer-profile-report other-report --json
  sysinfer-tune compare before/samples.csv after/samples.csv";

/// Arguments of `compare`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CompareArgs {
    /// A profile, a report's directory or a samples.csv: what is compared with
    #[arg(value_name = "A")]
    pub first: PathBuf,
    /// The same: what is faster or slower
    #[arg(value_name = "B")]
    pub second: PathBuf,
    /// Print one JSON object instead of tables
    #[arg(long)]
    pub json: bool,
}

/// Reads both sides and prints.
///
/// # Errors
/// A side cannot be read or has no rates.
pub fn run(arguments: &CompareArgs) -> anyhow::Result<Ending> {
    let (first, second) = (
        Side::load(&arguments.first)?,
        Side::load(&arguments.second)?,
    );
    match arguments.json {
        true => println!("{}", serde_json::to_string(&json(&first, &second))?),
        false => println!("{}", text(&first, &second)),
    }
    Ok(Ending::Complete)
}

/// A fact that the sides disagree on.
#[derive(Debug, PartialEq, Serialize)]
struct Difference {
    key: String,
    a: Option<String>,
    b: Option<String>,
}

/// One length and phase.
#[derive(Debug, Serialize)]
struct Length {
    phase: &'static str,
    total_tokens: usize,
    a_tokens_per_second: f64,
    b_tokens_per_second: f64,
    a_runs: usize,
    b_runs: usize,
    /// B over A.
    ratio: f64,
    ratio_low: f64,
    ratio_high: f64,
    told: Told,
    /// Faster or slower.
    significant: bool,
    /// Put together from steps at several contexts, not decoded all the way.
    a_is_sampled: bool,
    b_is_sampled: bool,
}

#[derive(Debug, Serialize)]
struct Json {
    a: String,
    b: String,
    a_trusted: bool,
    b_trusted: bool,
    a_not_trusted_because: Option<String>,
    b_not_trusted_because: Option<String>,
    differences: Vec<Difference>,
    a_read_gb_per_second: Option<f64>,
    b_read_gb_per_second: Option<f64>,
    a_decode_drift: Option<f64>,
    a_prefill_drift: Option<f64>,
    b_decode_drift: Option<f64>,
    b_prefill_drift: Option<f64>,
    lengths: Vec<Length>,
    only_in_a: Vec<String>,
    only_in_b: Vec<String>,
}

fn json(first: &Side, second: &Side) -> Json {
    let lengths = relations(first, second);
    Json {
        a: first.name.clone(),
        b: second.name.clone(),
        a_trusted: first.distrust.is_none(),
        b_trusted: second.distrust.is_none(),
        a_not_trusted_because: first.distrust.clone(),
        b_not_trusted_because: second.distrust.clone(),
        differences: differences(&first.facts, &second.facts),
        a_read_gb_per_second: first.read_gb_per_second,
        b_read_gb_per_second: second.read_gb_per_second,
        a_decode_drift: first.drift.decode,
        a_prefill_drift: first.drift.prefill,
        b_decode_drift: second.drift.decode,
        b_prefill_drift: second.drift.prefill,
        lengths: lengths
            .into_iter()
            .map(|((phase, total_tokens), found)| Length {
                phase,
                total_tokens,
                a_tokens_per_second: found.first.median,
                b_tokens_per_second: found.second.median,
                a_runs: found.first.count,
                b_runs: found.second.count,
                ratio: found.ratio,
                ratio_low: found.interval.0,
                ratio_high: found.interval.1,
                told: found.told,
                significant: matches!(found.told, Told::Faster | Told::Slower),
                a_is_sampled: first.sampled.contains(&(phase, total_tokens)),
                b_is_sampled: second.sampled.contains(&(phase, total_tokens)),
            })
            .collect(),
        only_in_a: missing(first, second),
        only_in_b: missing(second, first),
    }
}

/// Facts that differ; those of one side only where the other side has facts of that kind at all.
fn differences(
    first: &BTreeMap<String, String>,
    second: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let mut keys: Vec<&String> = first.keys().chain(second.keys()).collect();
    keys.sort();
    keys.dedup();
    let has_kind = |facts: &BTreeMap<String, String>, key: &str| {
        let kind = key.split_once('.').map_or(key, |(kind, _)| kind);
        facts.keys().any(|known| {
            known
                .split_once('.')
                .map_or(known.as_str(), |(kind, _)| kind)
                == kind
        })
    };
    let differs = |key: &&String| {
        first.get(*key) != second.get(*key) && has_kind(first, key) && has_kind(second, key)
    };
    keys.into_iter()
        .filter(differs)
        .map(|key| Difference {
            key: key.clone(),
            a: first.get(key).cloned(),
            b: second.get(key).cloned(),
        })
        .collect()
}

/// Lengths that both sides have, in order of phase and length.
fn relations(first: &Side, second: &Side) -> Vec<((&'static str, usize), Relation)> {
    let both = first.rates.iter().filter_map(|(key, runs)| {
        let others = second.rates.get(key)?;
        let error = |of: &Side, to: &Side, runs: &[f64]| of.error_of_minutes(to, key.0, runs.len());
        let relation = Relation::of(
            (runs, error(first, second, runs)),
            (others, error(second, first, others)),
        )?;
        Some((*key, relation))
    });
    both.collect()
}

fn missing(of: &Side, other: &Side) -> Vec<String> {
    let keys = of.rates.keys().filter(|key| !other.rates.contains_key(key));
    keys.map(|(phase, tokens)| format!("{phase} {tokens}"))
        .collect()
}

fn text(first: &Side, second: &Side) -> String {
    let mut lines: Vec<String> = warnings(first, second).collect();
    lines.extend([format!("A  {}", first.name), format!("B  {}", second.name)]);
    let differences = differences(&first.facts, &second.facts);
    if differences.is_empty() {
        lines.push("\nHost, model and plan are the same, as far as both sides tell.".into());
    } else {
        let cell = |value: &Option<String>| shortened(value.as_deref().unwrap_or(ABSENT));
        let rows = differences
            .iter()
            .map(|found| vec![found.key.clone(), cell(&found.a), cell(&found.b)]);
        lines.push(format!("\n{}", table::render(&["differs", "A", "B"], rows)));
    }
    if differences
        .iter()
        .any(|found| found.key == "model.fingerprint")
    {
        lines.push("note: the models differ, so rates compare models, not plans".into());
    }
    let relations = relations(first, second);
    let header = [
        "phase",
        "total tokens",
        "A tokens/s",
        "B tokens/s",
        "B / A (95 %)",
        "B is",
    ];
    let marked = |side: &Side, key: &(&'static str, usize), rates: &Summary| {
        let mark = if side.sampled.contains(key) {
            " sampled"
        } else {
            ""
        };
        rate_text(rates) + mark
    };
    let rows = relations.iter().map(|(key, found)| {
        vec![
            key.0.to_owned(),
            key.1.to_string(),
            marked(first, key, &found.first),
            marked(second, key, &found.second),
            ratio_text(found),
            found.told.words().to_owned(),
        ]
    });
    lines.push(format!("\n{}", table::render(&header, rows)));
    let is_sampled =
        |key: &(&'static str, usize)| first.sampled.contains(key) || second.sampled.contains(key);
    if relations.iter().any(|(key, _)| is_sampled(key)) {
        lines.push(DEFINITION.into());
    }
    lines.extend(bandwidth(first, second));
    lines.push(drift(first, second));
    for (name, only) in [("A", missing(first, second)), ("B", missing(second, first))] {
        if !only.is_empty() {
            lines.push(format!("only in {name}: {}", only.join(", ")));
        }
    }
    lines.push(conclusion(&relations));
    // The last line is what is read.
    lines.extend(warnings(first, second));
    lines.join("\n")
}

/// A line for each side whose rates say nothing.
fn warnings(first: &Side, second: &Side) -> impl Iterator<Item = String> {
    let sides = [("A", &first.distrust), ("B", &second.distrust)];
    let line = |(name, why): (&str, &Option<String>)| {
        let why = why.as_ref()?;
        Some(format!("{name} is {NOT_TO_BE_TRUSTED}: {why}."))
    };
    sides.map(line).into_iter().flatten()
}

fn bandwidth(first: &Side, second: &Side) -> Vec<String> {
    let (Some(a), Some(b)) = (first.read_gb_per_second, second.read_gb_per_second) else {
        return Vec::new();
    };
    let mut lines = vec![format!("read bandwidth: A {a:.1} GB/s, B {b:.1} GB/s")];
    if a > 0.0 && (b / a - 1.0).abs() > BANDWIDTH_MARGIN {
        lines.push(format!(
            "note: memory was {:.2} times as fast in B's run, and decode rates follow it",
            b / a
        ));
    }
    lines
}

/// What intervals allow for.
fn drift(first: &Side, second: &Side) -> String {
    let [a, b] = [first, second].map(|side| side.drift.words());
    if a.is_none() && b.is_none() {
        return "note: how much rates drift from minute to minute is not known of either side, so intervals \
                do not allow for it"
            .into();
    }
    let [a, b] = [a, b].map(|known| known.unwrap_or_else(|| "not known".into()));
    format!("drift from minute to minute, which intervals allow for: A {a}; B {b}")
}

fn conclusion(relations: &[((&'static str, usize), Relation)]) -> String {
    let count = |told| {
        relations
            .iter()
            .filter(|(_, found)| found.told == told)
            .count()
    };
    let all = relations.len();
    if all == 0 {
        return "No length was measured on both sides.".into();
    }
    format!(
        "Of {all} rates, B is faster in {}, slower in {}, the same in {}, and {} are not told apart.",
        count(Told::Faster),
        count(Told::Slower),
        count(Told::Same),
        count(Told::NotToldApart)
    )
}

/// A cell that leaves room for others: values may be command lines.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use sysinfer_table::drift::Drift;

    use super::*;

    const HEADER: &str = "time,stage,candidate,threads,map,cpus,kernels,blocking,phase,total_tokens,\
                          tokens,seconds,tokens_per_second,gb_per_second,read_gb_per_second,note\n";

    fn samples(threads: usize, decode: &[f64], note: &str) -> String {
        let mut text = HEADER.to_owned();
        text += "t,calibration,x,1,compact,0,k,b,decode,32,16,1.0,999.0,1.0,,\n";
        text +=
            &format!("t,table,x,{threads},compact,0-1,k,b,bandwidth,0,0,1.0,0.0,{threads}0.0,,\n");
        for rate in decode {
            text += &format!(
                "t,table,chosen,{threads},compact,0-1,k,b,decode,32,16,1.0,{rate},1.0,9.0,{note}\n"
            );
        }
        text + "t,table,chosen,2,compact,0-1,k,b,decode,32,16,1.0,1.0,1.0,9.0,discarded: other load\n"
    }

    fn side(text: &str) -> anyhow::Result<Side> {
        let directory = tempfile::tempdir()?;
        std::fs::write(directory.path().join("samples.csv"), text)?;
        Side::load(directory.path())
    }

    #[test]
    fn samples_of_the_table_are_compared_with_their_plans() {
        let first = side(&samples(2, &[100.0, 101.0, 99.0], "")).expect("samples");
        let second =
            side(&samples(4, &[120.0, 121.0, 119.0], "kept although busy")).expect("samples");
        let found = json(&first, &second);
        assert_eq!(found.lengths.len(), 1);
        let length = &found.lengths[0];
        assert_eq!(
            (length.phase, length.total_tokens, length.a_runs),
            ("decode", 32, 3)
        );
        assert_eq!(
            (length.ratio, length.told, length.significant),
            (1.2, Told::Faster, true)
        );
        assert_eq!(
            (found.a_read_gb_per_second, found.b_read_gb_per_second),
            (Some(20.0), Some(40.0))
        );
        let differs = Difference {
            key: "plan.decode.threads".into(),
            a: Some("2".into()),
            b: Some("4".into()),
        };
        assert_eq!(found.differences, [differs]);
        let text = text(&first, &second);
        for part in [
            "1.200",
            "B is faster in 1,",
            "2.00 times as fast",
            "plan.decode.threads",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn rates_of_a_disturbed_run_are_not_compared_in_silence() {
        let quiet = side(&samples(2, &[100.0, 101.0, 99.0], "")).expect("samples");
        let note = "kept although other load took 90 % of the CPUs";
        let disturbed = side(&samples(2, &[120.0, 121.0, 119.0], note)).expect("samples");
        let said = text(&quiet, &disturbed);
        let warning = "B is NOT TO BE TRUSTED: 4 of 6 samples (67 %) were disturbed.";
        assert!(
            said.starts_with(warning) && said.ends_with(warning),
            "{said}"
        );
        let found = json(&quiet, &disturbed);
        assert!(found.a_trusted && !found.b_trusted);
        assert!(!text(&quiet, &quiet).contains("NOT TO BE TRUSTED"));
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
        let found = first.rates[&("decode", 1024)][0];
        assert!(
            (found / expected - 1.0).abs() < 1e-9,
            "{found} of {expected}"
        );
        assert_eq!(first.rates[&("prefill", 1024)], [1024.0 / 10.24]);
        let of_1024 = json(&first, &second);
        let of_1024 = of_1024
            .lengths
            .iter()
            .find(|length| (length.phase, length.total_tokens) == ("decode", 1024));
        let of_1024 = of_1024.expect("on both sides");
        assert!(of_1024.a_is_sampled && of_1024.b_is_sampled);
        assert_eq!(of_1024.told, Told::Slower);
        let text = text(&first, &second);
        assert!(
            text.contains(" sampled ") && text.contains(DEFINITION),
            "{text}"
        );
    }

    #[test]
    fn what_minutes_differ_by_is_no_difference() {
        let side = |rate: f64, prefill: Option<f64>, spells: usize| Side {
            rates: BTreeMap::from([(("decode", 32), vec![rate; 6])]),
            drift: Drift {
                prefill,
                ..Drift::default()
            },
            spells,
            ..Side::default()
        };
        let told = |first: &Side, second: &Side| relations(first, second)[0].1.told;
        let (before, after) = (side(100.0, None, 1), side(90.0, None, 1));
        assert_eq!(told(&before, &after), Told::Slower);
        assert!(text(&before, &after).contains("do not allow for it"));
        // Known of one side and one phase, it stands for all of the host.
        let drifting = side(90.0, Some(0.05), 1);
        assert_eq!(told(&before, &drifting), Told::NotToldApart);
        assert_eq!(told(&drifting, &before), Told::NotToldApart);
        let text = text(&before, &drifting);
        assert!(text.contains("A not known; B prefill 5.0 %"), "{text}");
        // Runs in many minutes know more.
        let often = |rate| side(rate, Some(0.05), 6);
        assert_eq!(told(&often(100.0), &often(90.0)), Told::Slower);
        assert_eq!(
            json(&before, &drifting).b_prefill_drift,
            Some(0.05),
            "as recorded"
        );
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
    }
}
