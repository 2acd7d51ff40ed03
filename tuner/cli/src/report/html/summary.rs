//! The parts of the page that say what came out: words, table, where the time goes, choice.

use sysinfer_probe::Phase;
use sysinfer_stats::Estimate;

use super::blocks::{facts, figures, list, paragraph, remark, section, table};
use crate::report::figures::{duration, interval, maybe, number};
use crate::report::markdown::{self, fact_list};
use crate::report::markup::{Element, element};
use crate::report::svg::Figure;
use crate::report::table::method;
use crate::report::{Report, Row, many};

/// Why it is as fast as it is.
pub(super) fn explanation(report: &Report<'_>) -> Option<Element> {
    let said = report.explanation();
    Some(section("Why it is this fast").with(list(said.iter().map(String::as_str))))
}

/// The tables of both phases with their plots.
pub(super) fn throughput(report: &Report<'_>, drawn: &[Figure]) -> Option<Element> {
    if report.rows.is_empty() {
        return None;
    }
    let caption = report.distrust.as_ref().map(|distrust| {
        let caption = paragraph(distrust.caption());
        caption.class("marked alarming")
    });
    let part = section("Throughput")
        .with_all(caption)
        .with_all(decode_table(report))
        .with_all(prefill_table(report))
        .with_all(markdown::method(report).lines().map(remark));
    Some(part.with_all(figures(
        drawn,
        &["throughput", "prefill", "bandwidth-share"],
    )))
}

fn decode_table(report: &Report<'_>) -> Option<Element> {
    let with_reference = report.rows.iter().any(|row| row.reference.is_some());
    let with_method = report.has_samples();
    let mut header = vec!["total tokens", "decode tokens/s", "interval", "runs"];
    if with_method {
        header.push("method");
    }
    header.extend(["GB/s", "% of read bandwidth"]);
    if with_reference {
        header.extend(["reference tokens/s", "times the reference"]);
    }
    let cells = |row: &Row| {
        let found = &row.estimates;
        let (rate, runs) = (found.decode?, row.decode?);
        let mut cells = vec![
            row.total_tokens.to_string(),
            number(rate.median),
            interval(found.decode),
            runs.count.to_string(),
        ];
        if with_method {
            cells.push(method(row).into());
        }
        cells.push(both(found.decode_gb, number));
        let percent = |percent| format!("{percent:.0} %");
        cells.push(both(found.decode_percent, percent));
        if with_reference {
            cells.push(maybe(row.reference));
            cells.push(maybe(row.reference.map(|theirs| rate.median / theirs)));
        }
        Some(cells)
    };
    let rows: Vec<Vec<String>> = report.rows.iter().filter_map(cells).collect();
    (!rows.is_empty()).then(|| table(&header, &rows, |_| false))
}

fn prefill_table(report: &Report<'_>) -> Option<Element> {
    let header = [
        "prompt tokens",
        "prefill tokens/s",
        "interval",
        "runs",
        "weights read, GB/s",
        "time to first token",
        "interval, ms",
    ];
    let cells = |row: &Row| {
        let found = &row.estimates;
        let (rate, first) = (found.prefill?, found.first_token_ms?);
        Some(vec![
            row.total_tokens.to_string(),
            number(rate.median),
            interval(found.prefill),
            rate.count.to_string(),
            both(found.prefill_gb, number),
            duration(first.median / 1000.0),
            interval(found.first_token_ms),
        ])
    };
    let rows: Vec<Vec<String>> = report.rows.iter().filter_map(cells).collect();
    (!rows.is_empty()).then(|| table(&header, &rows, |_| false))
}

/// A number and below it, in brackets, its limits where it has any.
fn both(estimate: Option<Estimate>, write: impl Fn(f64) -> String) -> String {
    match estimate {
        Some(known) if known.count > 1 => format!(
            "{} ({} to {})",
            write(known.median),
            write(known.low),
            write(known.high)
        ),
        Some(known) => write(known.median),
        None => "-".into(),
    }
}

/// Rates of many sequences, drawn and in figures, and parts of prompts beside them.
pub(super) fn many_users(report: &Report<'_>, drawn: &[Figure]) -> Option<Element> {
    let lines = many::lines(report);
    if lines.is_empty() {
        return None;
    }
    let parts = many::prompt_rows(report);
    let parts = (!parts.is_empty()).then(|| table(&many::PROMPT_HEADER, &parts, |_| false));
    Some(
        section(many::TITLE)
            .with(list(lines.iter().map(String::as_str)))
            .with(table(&many::RATE_HEADER, &many::rate_rows(report), |_| {
                false
            }))
            .with_all(parts)
            .with(remark(many::method(report)))
            .with_all(figures(drawn, &["concurrency", "prompt-parts"])),
    )
}

/// The split of steps, drawn and in figures.
pub(super) fn step_time(report: &Report<'_>, drawn: &[Figure]) -> Option<Element> {
    if report.splits.is_empty() {
        return None;
    }
    let rows = markdown::split_rows(report);
    Some(
        section("Where a step's time goes")
            .with_all(figures(drawn, &["step-time"]))
            .with(
                element("details")
                    .at("open", "open")
                    .with(element("summary").text("Figures of each part"))
                    .with(table(&markdown::SPLIT_HEADER, &rows, |_| false)),
            )
            .with(remark(
                "Each worker's own time in the phases of a step, by kind of work; waiting is what is left \
                 of a phase. Rest: embeddings, norms, rotation, quantising of inputs, appending to the \
                 cache, and what the leader does alone. Choosing the token is not part of a step.",
            )),
    )
}

/// The plan.
pub(super) fn choice(report: &Report<'_>) -> Option<Element> {
    let part = section("What was chosen");
    let Some(found) = report.confirmation else {
        let text = "The run was interrupted before a decision: no profile was written.";
        return Some(part.with(paragraph(text).class("marked")));
    };
    let header = [
        "phase",
        "threads",
        "map",
        "CPUs",
        "kernels",
        "rate over the default's",
    ];
    let row = |phase: Phase| {
        let team = phase.team(&found.plan);
        let cpus = sysinfer_journal::cpu_list(&team.cpus);
        vec![
            phase.name().to_owned(),
            team.threads.to_string(),
            team.map.clone(),
            if cpus.is_empty() {
                "not pinned".into()
            } else {
                cpus
            },
            sysinfer_journal::kernels(&found.plan, phase.name()),
            report.gain(phase).to_string(),
        ]
    };
    let rows = [Phase::Decode, Phase::Prefill].map(row);
    let blocking = sysinfer_journal::blocking(&found.plan);
    Some(
        part.with(table(&header, &rows, |_| false))
            .with(paragraph(format!("Block sizes: {blocking}")))
            .with(list(found.reasons.iter().map(String::as_str))),
    )
}

/// The host, the model and the run, fact by fact.
pub(super) fn host(report: &Report<'_>) -> Option<Element> {
    let all: Vec<(String, String)> = fact_list(report)
        .into_iter()
        .filter(|(name, _)| *name != "command")
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    Some(section("Host, model and run").with(facts(all)))
}

/// The command.
pub(super) fn repeat(report: &Report<'_>) -> Option<Element> {
    let command = element("pre").with(element("code").text(&report.command));
    Some(section("To repeat this").with(command).with(remark(
        "Beside this page: samples.csv (every sample), throughput.csv, summary.md and the plots as \
                 SVG files.",
    )))
}
