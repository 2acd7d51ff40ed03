//! What a reader sees first: a warning, if there is one; what it is about; what was proven.

use sysinfer_probe::Phase;
use sysinfer_profiles::Gain;
use sysinfer_profiles::trust::NOT_TO_BE_TRUSTED;
use sysinfer_stats::Estimate;

use super::blocks::paragraph;
use crate::report::figures::{interval, maybe, percent_interval};
use crate::report::markup::{Element, element};
use crate::report::{Report, Row};

/// Name of model and host, and when this was.
pub(super) fn header(report: &Report<'_>, title: &str) -> Element {
    let made = format!(
        "Tuned {} by sysInfer {}, {}",
        report.date.replace('T', " ").replace('Z', " UTC"),
        env!("CARGO_PKG_VERSION"),
        report.host.topology
    );
    element("header")
        .with(element("h1").text(title))
        .with(element("p").class("soft").text(made))
}

/// What stands above all else of a run that is not to be trusted.
pub(super) fn warning(report: &Report<'_>) -> Option<Element> {
    let distrust = report.distrust.as_ref()?;
    let banner = element("div").class("alarm").at("role", "alert");
    Some(
        banner
            .with(element("b").text(NOT_TO_BE_TRUSTED))
            .with_all(distrust.sentences().iter().map(|text| with_options(text))),
    )
}

/// A paragraph in which the name of an option is not broken at its hyphens.
fn with_options(text: &str) -> Element {
    let words = text.split_inclusive(' ');
    words.fold(element("p"), |paragraph, word| {
        match word.starts_with("--") {
            true => paragraph.with(element("span").class("whole").text(word)),
            false => paragraph.text(word),
        }
    })
}

/// What was proven, in a line; the warning says it where nothing is to be trusted.
pub(super) fn headline(report: &Report<'_>) -> Option<Element> {
    let is_trusted = report.distrust.is_none();
    is_trusted.then(|| paragraph(report.headline()).class("headline"))
}

/// The headline in figures; none of a run that proves nothing.
pub(super) fn cards(report: &Report<'_>) -> Option<Element> {
    if report.distrust.is_some() {
        return None;
    }
    let mut cards = Vec::new();
    let decoded = |row: &&Row| row.estimates.decode.is_some();
    let shortest = report.rows.iter().find(decoded);
    let longest = report.rows.iter().rev().find(decoded);
    if let Some(row) = shortest {
        cards.push(decode_card(row));
    }
    if let Some(row) = longest.filter(|row| Some(*row) != shortest) {
        cards.push(decode_card(row));
    }
    let fastest = report.rows.iter().max_by(|a, b| {
        let rate = |row: &Row| row.estimates.prefill.map_or(0.0, |rate| rate.median);
        rate(a).total_cmp(&rate(b))
    });
    if let Some(row) = fastest.filter(|row| row.estimates.prefill.is_some()) {
        cards.push(rate_card(
            ("Prefill", "tokens/s"),
            row,
            row.estimates.prefill,
        ));
    }
    if let Some((row, percent)) =
        shortest.and_then(|row| Some((row, row.estimates.decode_percent?)))
    {
        cards.push(card(
            "Share of the read bandwidth",
            &format!("{:.0} %", percent.median),
            &format!(
                "{}, decoding at {}",
                percent_interval(Some(percent)),
                row.total_tokens
            ),
        ));
    }
    cards.extend(
        [Phase::Decode, Phase::Prefill]
            .map(|phase| gain_card(report, phase))
            .into_iter()
            .flatten(),
    );
    (!cards.is_empty()).then(|| element("div").class("cards").with_all(cards))
}

fn decode_card(row: &Row) -> Element {
    let unit = if row.sampled {
        "tokens/s, sampled"
    } else {
        "tokens/s"
    };
    rate_card(("Decode", unit), row, row.estimates.decode)
}

fn rate_card((what, unit): (&str, &str), row: &Row, rate: Option<Estimate>) -> Element {
    let title = format!("{what} at {} tokens", row.total_tokens);
    let value = maybe(rate.map(|rate| rate.median));
    card(&title, &value, &format!("{unit}, {}", interval(rate)))
}

/// What the profile gains over the default, in the rounds that decided it.
fn gain_card(report: &Report<'_>, phase: Phase) -> Option<Element> {
    let found = report.confirmation?;
    let title = match phase {
        Phase::Decode => "Decode over the default",
        Phase::Prefill => "Prefill over the default",
    };
    let percent = |ratio: f64| 100.0 * (ratio - 1.0);
    let rounds = found.gain(phase).map_or(0, |gain| gain.count);
    let within = |(low, high): (f64, f64)| {
        let (low, high) = (percent(low), percent(high));
        format!("{low:+.1} to {high:+.1} %, {rounds} fresh rounds")
    };
    let (value, below) = match report.gain(phase) {
        Gain::Proven { ratio, interval } => (format!("{:+.1} %", percent(ratio)), within(interval)),
        Gain::Unproven { interval, .. } => ("no proven gain".into(), within(interval)),
        Gain::NoInterval { .. } => ("no proven gain".into(), "too few rounds".into()),
        Gain::None => (
            "as it was".into(),
            "the default is what the profile says".into(),
        ),
    };
    Some(card(title, &value, &below))
}

fn card(title: &str, value: &str, below: &str) -> Element {
    element("div")
        .class("card")
        .with(element("span").text(title))
        .with(element("b").text(unbroken(value)))
        .with(element("span").text(unbroken(below)))
}

/// A number stays with its unit, and an interval on one line: spaces that do not break, and a joiner behind the hyphen,
/// where a line may end all the same.
fn unbroken(text: &str) -> String {
    let parts = [(" - ", "\u{a0}-\u{2060}\u{a0}"), (" %", "\u{a0}%")];
    parts.iter().fold(text.to_owned(), |text, (part, whole)| {
        text.replace(part, whole)
    })
}
