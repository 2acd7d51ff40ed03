//! The parts of the page that say how it came out: the search stage by stage, what did not count, what
//! else was found, what was left out.

use sysinfer_search::race::Outcome;

use super::blocks::{figures, list, paragraph, remark, section, table};
use crate::report::Report;
use crate::report::markup::{Element, element};
use crate::report::samples::Disturbed;
use crate::report::svg::Figure;
use crate::report::table::{STAGE_HEADER, stage_rows};

/// Plots of the search.
const FIGURES: [&str; 7] = [
    "threads-decode",
    "threads-prefill",
    "prefill-blocks",
    "prefill-rows",
    "prefill-chunk",
    "prefetch",
    "attention-chunk",
];

/// Every race with all its candidates.
pub(super) fn stages(report: &Report<'_>, drawn: &[Figure]) -> Option<Element> {
    if report.log.outcomes.is_empty() {
        return None;
    }
    Some(
        section("The search, stage by stage")
            .with_all(figures(drawn, &FIGURES))
            .with_all(report.log.outcomes.iter().map(stage)),
    )
}

fn stage(outcome: &Outcome) -> Element {
    let title = format!("{}: {}", outcome.title, outcome.winner().name);
    let drift = (outcome.discarded_rounds > 0).then(|| {
        let rounds = match outcome.discarded_rounds {
            1 => "1 round was".to_owned(),
            more => format!("{more} rounds were"),
        };
        remark(format!("{rounds} thrown away: the host drifted."))
    });
    let winner = outcome.winner().name.clone();
    let rows = stage_rows(outcome);
    element("details")
        .at("open", "open")
        .with(element("summary").text(title))
        .with(paragraph(format!("{}.", outcome.why)))
        .with_all(drift)
        .with(table(&STAGE_HEADER, &rows, |row| row[0] == winner))
}

/// Samples that do not count.
pub(super) fn voids(report: &Report<'_>) -> Option<Element> {
    let samples = &report.samples;
    let mut part = section("Void samples").with(paragraph(samples.disturbances()));
    let header = ["why", "samples", "in stages"];
    let row = |group: &Disturbed| {
        vec![
            group.reason.clone(),
            group.count.to_string(),
            group.stages.join(", "),
        ]
    };
    if !samples.voids.is_empty() {
        let rows: Vec<Vec<String>> = samples.voids.iter().map(row).collect();
        part = part.with(table(&header, &rows, |_| false));
    }
    if !samples.kept.is_empty() {
        let rows: Vec<Vec<String>> = samples.kept.iter().map(row).collect();
        part = part
            .with(
                paragraph(
                    "These count although the host was disturbed, since no others could be had:",
                )
                .class("marked"),
            )
            .with(table(&header, &rows, |_| false));
    }
    Some(part)
}

/// What else was found, section by section.
pub(super) fn sections(report: &Report<'_>) -> Option<Element> {
    let found = report.sections.iter().map(|found| {
        let part = section(&found.title).with_all(found.lines.iter().map(paragraph));
        if found.header.is_empty() {
            part
        } else {
            part.with(table(&found.header, &found.rows, |_| false))
        }
    });
    (!report.sections.is_empty()).then(|| element("div").with_all(found))
}

/// What was cut, not tried, or noticed.
pub(super) fn remarks(report: &Report<'_>) -> Option<Element> {
    let skipped = &report.log.skipped;
    if report.remarks.is_empty() && skipped.is_empty() {
        return None;
    }
    let mut part = section("Left out");
    if !report.remarks.is_empty() {
        part = part.with(list(report.remarks.iter().map(String::as_str)));
    }
    if !skipped.is_empty() {
        let rows: Vec<Vec<String>> = skipped
            .iter()
            .map(|skipped| vec![skipped.name.clone(), skipped.reason.clone()])
            .collect();
        part =
            part.with(element("h3").text("Not tried"))
                .with(table(&["what", "why"], &rows, |_| false));
    }
    Some(part)
}
