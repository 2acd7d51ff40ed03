//! What `compare` prints, as tables or as one JSON object; `verify` prints its rates in the same way.

use serde_json::{Value, json};
use sysinfer_profiles::trust::NOT_TO_BE_TRUSTED;
use sysinfer_stats::comparison::MARGIN;
use sysinfer_stats::{Summary, Verdict};
use sysinfer_table::sampled::DEFINITION;
use sysinfer_terminal::{number, render};

use super::facts::differences;
use super::judge::{Judged, Row};
use super::rate::named;
use super::side::Side;

/// What is absent on one side.
const ABSENT: &str = "-";
/// A cell that leaves room for others: values may be command lines.
const MAX_CELL: usize = 60;

/// The whole text about two sides that have these names, with what is said of each rate.
pub fn text(sides: [&Side; 2], names: [&str; 2], judged: &Judged, words: Vec<String>) -> String {
    let [first, second] = sides;
    let named = names.into_iter().zip(sides);
    let mut lines: Vec<String> = named
        .clone()
        .filter_map(|(name, side)| warning(name, side))
        .collect();
    lines.extend(
        named
            .clone()
            .map(|(name, side)| format!("{name}: {}", side.name)),
    );
    lines.extend(differing(sides, names));
    lines.push(format!("\n{}\n", rates(judged, names, words)));
    lines.extend(bandwidth(sides, names));
    lines.push(between_runs(sides, names));
    for (name, only) in names
        .into_iter()
        .zip([missing(first, second), missing(second, first)])
    {
        if !only.is_empty() {
            lines.push(format!("only in {name}: {}", only.join(", ")));
        }
    }
    lines.push(conclusion(judged, names[1]));
    // The last line is what is read.
    lines.extend(named.filter_map(|(name, side)| warning(name, side)));
    lines.join("\n")
}

/// The table of all rates; and what a sampled rate is, where there are such.
fn rates(judged: &Judged, names: [&str; 2], words: Vec<String>) -> String {
    let [first, second] = names;
    let header = [
        "phase".to_owned(),
        "total tokens".into(),
        format!("{first} tokens/s"),
        format!("{second} tokens/s"),
        format!("{second} / {first} (95 % for all)"),
        format!("{second} is"),
    ];
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let cells = |(row, words): (&Row, String)| {
        let ratio = row.comparison.ratio(judged.alpha);
        vec![
            row.key.0.name().to_owned(),
            row.key.1.to_string(),
            rate(&row.first, row.sampled[0]),
            rate(&row.second, row.sampled[1]),
            format!("{:.3} ({:.3}-{:.3})", ratio.median, ratio.low, ratio.high),
            words,
        ]
    };
    let mut text = render(&header, judged.rows.iter().zip(words).map(cells));
    if judged.rows.iter().any(|row| row.sampled.contains(&true)) {
        text += "\n";
        text += DEFINITION;
    }
    text
}

/// `12.34 (11.90-12.50)`, without a range for a single sample.
fn rate(rate: &Summary, sampled: bool) -> String {
    let mut text = number(Some(rate.median));
    if rate.count > 1 {
        text += &format!(" ({}-{})", number(Some(rate.low)), number(Some(rate.high)));
    }
    text + if sampled { " sampled" } else { "" }
}

/// A line about a side whose rates say nothing.
fn warning(name: &str, side: &Side) -> Option<String> {
    let why = side.distrust.as_ref()?;
    Some(format!("{name} is {NOT_TO_BE_TRUSTED}: {why}."))
}

/// What host, model and plan differ in, if both sides say what they are.
fn differing([first, second]: [&Side; 2], names: [&str; 2]) -> Option<String> {
    if first.facts.is_empty() || second.facts.is_empty() {
        return None;
    }
    let found = differences(&first.facts, &second.facts);
    if found.is_empty() {
        return Some("\nHost, model and plan are the same, as far as both sides tell.".into());
    }
    let cell = |value: &Option<String>| {
        let value = value.as_deref().unwrap_or(ABSENT);
        match value.char_indices().nth(MAX_CELL) {
            Some((end, _)) => format!("{}...", &value[..end]),
            None => value.to_owned(),
        }
    };
    let rows = found
        .iter()
        .map(|fact| vec![fact.key.clone(), cell(&fact.a), cell(&fact.b)]);
    let mut text = render(&["differs", names[0], names[1]], rows);
    if found.iter().any(|fact| fact.key == "model.fingerprint") {
        text += "\nnote: the models differ, so rates compare models, not plans";
    }
    Some(format!("\n{text}"))
}

fn bandwidth(sides: [&Side; 2], [first, second]: [&str; 2]) -> Option<String> {
    let [Some(a), Some(b)] = sides.map(|side| side.read_gb_per_second) else {
        return None;
    };
    let times = b / a;
    let mut line = format!("read bandwidth: {first} {a:.1} GB/s, {second} {b:.1} GB/s");
    if (times - 1.0).abs() > MARGIN {
        line += &format!(": {times:.2} times as fast, and decode rates follow it");
    }
    Some(line)
}

/// What intervals allow for.
fn between_runs(sides: [&Side; 2], [first, second]: [&str; 2]) -> String {
    let known = sides.map(|side| side.between_runs.words());
    if known.iter().all(Option::is_none) {
        return "note: no side says what its host's runs differ by from minute to minute, so intervals do not \
                allow for it"
            .into();
    }
    let [a, b] = known.map(|known| known.unwrap_or_else(|| "not known".into()));
    format!("standard deviation between runs, which intervals allow for: {first} {a}; {second} {b}")
}

fn conclusion(judged: &Judged, second: &str) -> String {
    let count = |verdict| {
        let rows = judged.rows.iter();
        rows.filter(|row| judged.verdict(row) == verdict).count()
    };
    if judged.rows.is_empty() {
        return "No length was measured on both sides.".into();
    }
    format!(
        "{second} is faster in {} of {} rates and slower in {}; {} are the same within {:.0} %, and {} too noisy \
         to tell.",
        count(Verdict::Faster),
        judged.rows.len(),
        count(Verdict::Slower),
        count(Verdict::Equivalent),
        100.0 * MARGIN,
        count(Verdict::CannotTell)
    )
}

fn missing(of: &Side, other: &Side) -> Vec<String> {
    let keys = of.rates.keys().filter(|key| !other.rates.contains_key(key));
    keys.map(|key| named(*key)).collect()
}

/// The object that `compare` prints; ratios are B over A. A loss of `smallest_loss_found` would show four times of
/// five; what is `sampled` is put together from steps at several contexts; standard deviations between runs are
/// of the logarithm of a rate.
pub fn json(first: &Side, second: &Side, judged: &Judged) -> Value {
    let side = |side: &Side| {
        json!({
            "name": side.name,
            "trusted": side.distrust.is_none(),
            "not_trusted_because": side.distrust,
            "read_gb_per_second": side.read_gb_per_second,
            "decode_between_runs": side.between_runs.decode,
            "prefill_between_runs": side.between_runs.prefill,
        })
    };
    let rate = |rate: &Summary, sampled: bool| {
        json!({
            "tokens_per_second": rate.median,
            "low": rate.low,
            "high": rate.high,
            "runs": rate.count,
            "sampled": sampled,
        })
    };
    let length = |row: &Row| {
        let ratio = row.comparison.ratio(judged.alpha);
        json!({
            "phase": row.key.0,
            "total_tokens": row.key.1,
            "a": rate(&row.first, row.sampled[0]),
            "b": rate(&row.second, row.sampled[1]),
            "ratio": ratio.median,
            "ratio_low": ratio.low,
            "ratio_high": ratio.high,
            "smallest_loss_found": row.comparison.smallest_loss_found(judged.alpha),
            "verdict": judged.verdict(row).name(),
        })
    };
    json!({
        "a": side(first),
        "b": side(second),
        "differences": differences(&first.facts, &second.facts),
        "lengths": judged.rows.iter().map(length).collect::<Vec<_>>(),
        "only_in_a": missing(first, second),
        "only_in_b": missing(second, first),
    })
}
