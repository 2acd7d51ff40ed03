//! `summary.md`: the whole run on one page.

use std::fmt::Write;

use sysinfer_journal::{blocking, cpu_list, kernels};
use sysinfer_measure::host::check::sve_words;
use sysinfer_probe::Phase;
use sysinfer_profiles::trust::NOT_TO_BE_TRUSTED;
use sysinfer_table::sampled;

use super::explain::fits_caches;
use super::figures::{duration, interval, said, share};
use super::samples::Disturbed;
use super::{Report, many, svg, table};
use crate::report::reference;

/// The page.
pub fn render(report: &Report<'_>) -> String {
    let (model, host) = (&report.info.name, &report.host.cpu_model);
    let mut text = warning(report);
    push(
        &mut text,
        format_args!("# {} on {}\n", escaped(model), escaped(host)),
    );
    push(&mut text, format_args!("**{}**\n", report.headline()));
    for (name, value) in fact_list(report) {
        let value = match name {
            "host" | "model" => escaped(&value),
            _ => value,
        };
        push(&mut text, format_args!("- {name}: {value}"));
    }
    text.push_str("\n## Why it is this fast\n\n");
    for sentence in report.explanation() {
        push(&mut text, format_args!("- {sentence}"));
    }
    text.push_str("\n## Throughput\n\n```text\n");
    if let Some(distrust) = &report.distrust {
        push(&mut text, format_args!("{}", distrust.caption()));
    }
    text.push_str(&table::throughput(&report.rows));
    text.push_str("\n```\n\n");
    text.push_str(&method(report));
    for figure in svg::all(report) {
        let (title, name) = (&figure.title, figure.name);
        push(&mut text, format_args!("\n![{title}]({name}.svg)"));
    }
    if !report.splits.is_empty() {
        let rows = split_rows(report).into_iter();
        let drawn = table::render(&SPLIT_HEADER, rows);
        push(
            &mut text,
            format_args!("\n## Where a step's time goes\n\n```text\n{drawn}\n```"),
        );
    }
    text.push_str(&many_users(report));
    text.push_str(&search(report));
    text.push_str(&voids(report));
    for section in &report.sections {
        push(&mut text, format_args!("\n## {}\n", section.title));
        for line in &section.lines {
            push(&mut text, format_args!("- {line}"));
        }
        if !section.header.is_empty() {
            let header: Vec<&str> = section.header.iter().map(String::as_str).collect();
            let drawn = table::render(&header, section.rows.iter().cloned());
            push(&mut text, format_args!("\n```text\n{drawn}\n```"));
        }
    }
    if !report.log.skipped.is_empty() {
        text.push_str("\n## Not tried\n\n");
        for skipped in &report.log.skipped {
            push(
                &mut text,
                format_args!("- {}: {}", skipped.name, skipped.reason),
            );
        }
    }
    if !report.remarks.is_empty() {
        text.push_str("\n## Remarks\n\n");
        for remark in &report.remarks {
            push(&mut text, format_args!("- {remark}"));
        }
    }
    text
}

/// Rates of many sequences, and parts of prompts beside them; nothing where they were not measured.
fn many_users(report: &Report<'_>) -> String {
    let lines = many::lines(report);
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!("\n## {}\n\n", many::TITLE);
    for line in lines {
        push(&mut text, format_args!("- {line}"));
    }
    let drawn = table::render(&many::RATE_HEADER, many::rate_rows(report).into_iter());
    push(&mut text, format_args!("\n```text\n{drawn}\n```"));
    let parts = many::prompt_rows(report);
    if !parts.is_empty() {
        let drawn = table::render(&many::PROMPT_HEADER, parts.into_iter());
        push(&mut text, format_args!("\n```text\n{drawn}\n```"));
    }
    push(&mut text, format_args!("\n{}", many::method(report)));
    text
}

/// What stands above all else of a run that is not to be trusted; nothing of any other.
fn warning(report: &Report<'_>) -> String {
    let Some(distrust) = &report.distrust else {
        return String::new();
    };
    let mut text = format!("> # {NOT_TO_BE_TRUSTED}\n>\n");
    for sentence in distrust.sentences() {
        push(&mut text, format_args!("> **{sentence}**"));
    }
    text.push('\n');
    text
}

/// The choice, and the races that led to it.
fn search(report: &Report<'_>) -> String {
    let mut text = String::from("\n## What was chosen, and why\n\n");
    text.push_str(&choice(report));
    for outcome in &report.log.outcomes {
        push(&mut text, format_args!("\n### {}\n", outcome.title));
        push(
            &mut text,
            format_args!("{}: {}.", outcome.winner().name, outcome.why),
        );
        if outcome.discarded_rounds > 0 {
            push(
                &mut text,
                format_args!(
                    "{} rounds were thrown away: the host drifted.",
                    outcome.discarded_rounds
                ),
            );
        }
        push(
            &mut text,
            format_args!("\n```text\n{}\n```", table::stage(outcome)),
        );
    }
    text
}

/// Header of [`split_rows`].
pub const SPLIT_HEADER: [&str; 8] = [
    "step",
    "plan",
    "part",
    "mean",
    "interval, ms",
    "share",
    "worst worker",
    "steps",
];

/// A line for every part of every split step.
pub fn split_rows(report: &Report<'_>) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for split in &report.splits {
        for part in split.parts() {
            let known = part.mean_seconds;
            rows.push(vec![
                format!("{} at {}", split.phase.name(), split.total_tokens),
                split.under.name().into(),
                part.name.into(),
                duration(known.median),
                interval(Some(known.map(|seconds| 1000.0 * seconds))),
                share(part.share),
                duration(part.worst_seconds),
                split.steps.len().to_string(),
            ]);
        }
    }
    rows
}

/// Samples that do not count, and those that do although they should not.
fn voids(report: &Report<'_>) -> String {
    let samples = &report.samples;
    let mut text = format!("\n## Void samples\n\n{}\n", samples.disturbances());
    let mut say = |what: &str, group: &Disturbed| {
        let Disturbed {
            reason,
            count,
            stages,
        } = group;
        let stages = stages.join(", ");
        push(
            &mut text,
            format_args!("- {count} {what}: {reason} ({stages})"),
        );
    };
    samples.voids.iter().for_each(|group| say("void", group));
    samples
        .kept
        .iter()
        .for_each(|group| say("kept in spite of it", group));
    text
}

/// Host, model and run, fact by fact.
pub fn fact_list(report: &Report<'_>) -> Vec<(&'static str, String)> {
    let (host, info) = (report.host, report.info);
    let quota = host
        .cpu_quota
        .map_or_else(|| "none".into(), |quota| format!("{quota:.2} CPUs"));
    let bandwidth = match report.roof_estimate() {
        Some(roof) => {
            let best = report.conditions.best(&report.bandwidth);
            format!(
                "median {} GB/s of {} readings, best {:.1} GB/s",
                said(roof),
                roof.count,
                best.unwrap_or(roof.median)
            )
        }
        None => "not measured".into(),
    };
    // Simulated hosts have none, nor replays of journals without them.
    let (arithmetic, exchange) = report.core_estimates();
    let arithmetic = arithmetic.map(|found| {
        let (rate, count) = (said(found), found.count);
        format!("median {rate} GMAC/s of {count} prompts, plain multiply-adds")
    });
    let exchange = exchange.map(|found| {
        let (rate, count) = (said(found), found.count);
        format!("median {rate} GB/s of {count} prompts, read of what another core has just written")
    });
    let mut facts = vec![
        ("date", report.date.clone()),
        ("command", format!("`{}`", report.command)),
        ("version", env!("CARGO_PKG_VERSION").into()),
        (
            "host",
            format!(
                "{}, {} ({})",
                host.cpu_model, host.topology, host.architecture
            ),
        ),
        (
            "instruction sets with kernels",
            report.instruction_sets.join(", "),
        ),
        ("CPU quota", quota),
        (
            "kernel, transparent huge pages",
            format!("{}, {}", host.kernel, host.huge_pages),
        ),
        (
            "model",
            format!(
                "{} ({}, {})",
                info.name, info.architecture, info.quantisation
            ),
        ),
        (
            "weights read per decode step",
            format!(
                "{:.3} GB, and {} bytes of cache per position",
                info.decode_bytes as f64 / 1e9,
                info.kv_bytes_per_position
            ),
        ),
        ("read bandwidth", bandwidth),
    ];
    let sve = host.sve_bits.map(sve_words);
    facts.extend(sve.map(|words| ("vectors of SVE", words)));
    facts.extend(arithmetic.map(|found| ("arithmetic beside the prompts of the table", found)));
    facts.extend(exchange.map(|found| ("exchange between cores beside them", found)));
    facts.extend(host_drift(report).map(|found| ("drift of the host", found)));
    facts.push(("threads", report.pins.clone()));
    facts
}

/// What minutes add to the noise of one plan's rates; `None` where too few samples tell.
fn host_drift(report: &Report<'_>) -> Option<String> {
    let known = report.samples.drift.words()?;
    Some(format!(
        "from minute to minute, {known} (standard deviation beyond that of samples close together)"
    ))
}

/// How the numbers of the table came about.
pub fn method(report: &Report<'_>) -> String {
    let mut text = format!(
        "tokens/s: from a prompt of {} tokens, one token at a time until prompt + output reach the length; \
         generated tokens over the time of their steps, median of the runs with its interval (95 % bootstrap from six runs on, the range of fewer). \
         Prefill and time to first token: one prompt of that length. GB/s: weights and cache read while decoding.\n",
        report.prompt_tokens
    );
    if report.has_samples() {
        push(&mut text, format_args!("{}", sampled::DEFINITION));
    }
    match report.reference {
        Some(table) => push(&mut text, format_args!("Reference: {}, {}.", table.model, reference::SOURCE)),
        None => text.push_str(
            "No reference: the original published rates for Llama3-8B Q4_0 and Baichuan2-13B Q4_0 only; \
             measure those shapes with --synthetic llama3-8b or baichuan2-13b.\n",
        ),
    }
    text.push_str(&drift(report));
    text
}

/// A line for shares above 100 %, which say that the roof itself moved; nothing without one, or where
/// weights need not come from memory.
fn drift(report: &Report<'_>) -> String {
    let share = |row: &super::Row| {
        row.percent_of_read_bandwidth
            .is_some_and(|share| share > 100.0)
    };
    if fits_caches(report.info, report.cache_bytes) || !report.rows.iter().any(share) {
        return String::new();
    }
    let readings = &report.bandwidth;
    let slowest = readings.iter().copied().fold(f64::INFINITY, f64::min);
    let fastest = readings.iter().copied().fold(0.0, f64::max);
    let range = format!("readings went from {slowest:.1} to {fastest:.1} GB/s");
    let mut read = report
        .rows
        .iter()
        .filter_map(|row| row.decode_gb_per_second);
    if read.any(|gb| gb > fastest) {
        format!(
            "A share above 100 %: this host's memory was faster during that row than in any \
             reading; {range}.\n"
        )
    } else {
        format!("A share above 100 % of the median reading: {range}.\n")
    }
}

/// The plan in words, and the gain of each phase.
pub fn choice(report: &Report<'_>) -> String {
    let Some(found) = report.confirmation else {
        return "The run was interrupted before a decision: no profile was written.\n".into();
    };
    let mut text = String::new();
    for phase in [Phase::Decode, Phase::Prefill] {
        let team = phase.team(&found.plan);
        let cpus = cpu_list(&team.cpus);
        let on = if cpus.is_empty() {
            "not pinned".into()
        } else {
            format!("on CPUs {cpus}")
        };
        push(
            &mut text,
            format_args!(
                "- {}: {} threads, {}, {on}",
                phase.name(),
                team.threads,
                team.map
            ),
        );
        push(
            &mut text,
            format_args!("  kernels: {}", kernels(&found.plan, phase.name())),
        );
    }
    push(
        &mut text,
        format_args!("- blocking: {}", blocking(&found.plan)),
    );
    for reason in &found.reasons {
        push(&mut text, format_args!("- {reason}"));
    }
    text
}

/// What a model's file or a host says, as text and on one line: nothing in it is markup.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '[' | ']' | '`' | '|' | '\\' => safe.extend(['\\', character]),
            other if other.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}
