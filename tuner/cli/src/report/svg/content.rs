//! Which figures a report has: those for which something was measured.

use std::collections::{BTreeMap, BTreeSet};

use sysinfer_engine::lookup::Rows;
use sysinfer_probe::{Phase, Stage};
use sysinfer_profiles::trust::NOT_TO_BE_TRUSTED;
use sysinfer_search::race::{Lane, Outcome};
use sysinfer_stats::{Estimate, median};
use sysinfer_table::split::Split;

use super::Figure;
use super::bars::{Bar, Stack, bars, stacks};
use super::heat::Heat;
use super::lines::{Curve, Plot, Spot};
use crate::report::figures::duration;
use crate::report::{Report, Row, many};

/// Whiskers are drawn where there is more than one sample.
const WHISKERS: &str =
    "Whiskers: 95 % interval of the median, or the range of fewer than six samples.";

/// All figures, in the order of the page. A figure is looked at without the page, so that each says itself
/// what is not to be trusted.
pub fn all(report: &Report<'_>) -> Vec<Figure> {
    let figures = drawn(report);
    if report.distrust.is_none() {
        return figures;
    }
    let marked = |figure: Figure| Figure {
        title: format!("{NOT_TO_BE_TRUSTED}: {}", figure.title),
        ..figure
    };
    figures.into_iter().map(marked).collect()
}

fn drawn(report: &Report<'_>) -> Vec<Figure> {
    [
        throughput(report),
        prefill(report),
        bandwidth_share(report),
        concurrency(report),
        prompt_parts(report),
        step_time(report),
        threads(report, Phase::Decode),
        threads(report, Phase::Prefill),
        prefill_blocks(report),
        sizes(report, Stage::PrefillRows, "prefill-rows"),
        sizes(report, Stage::PrefillChunk, "prefill-chunk"),
        sizes(report, Stage::Prefetch, "prefetch"),
        sizes(report, Stage::AttentionChunk, "attention-chunk"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn throughput(report: &Report<'_>) -> Option<Figure> {
    let ours = decoded(report, |row| row.estimates.decode);
    if ours.is_empty() {
        return None;
    }
    let mut curves = vec![curve("this host", 0, ours)];
    let theirs: Vec<Spot> = report
        .rows
        .iter()
        .filter_map(|row| Some(exact(row.total_tokens as f64, row.reference?)))
        .collect();
    if !theirs.is_empty() {
        curves.push(Curve {
            dashed: true,
            ..curve("reference (Kunpeng, 48 cores)", 1, theirs)
        });
    }
    Plot {
        name: "throughput",
        title: "Decode rate by total length".into(),
        note: match report.has_samples() {
            true => format!("{WHISKERS} Open dots: sampled."),
            false => WHISKERS.into(),
        },
        x_label: "total tokens (prompt + output)",
        y_label: "tokens/s",
        log: true,
        mark: None,
        curves,
    }
    .draw()
}

fn prefill(report: &Report<'_>) -> Option<Figure> {
    Plot {
        name: "prefill",
        title: "Prefill rate by length of the prompt".into(),
        note: WHISKERS.into(),
        x_label: "tokens of the prompt",
        y_label: "tokens/s",
        log: true,
        mark: None,
        curves: vec![curve(
            "this host",
            0,
            points(report, |row| row.estimates.prefill),
        )],
    }
    .draw()
}

fn bandwidth_share(report: &Report<'_>) -> Option<Figure> {
    let roof = report.roof()?;
    let percent = |gb: Option<Estimate>| gb.map(|gb| gb.map(|gb| 100.0 * gb / roof));
    Plot {
        name: "bandwidth-share",
        title: "Share of the read bandwidth".into(),
        note: format!(
            "Weights and cache read while decoding, and weights read for prompts, in percent of {roof:.1} GB/s."
        ),
        x_label: "tokens",
        y_label: "% of read bandwidth",
        log: true,
        mark: Some((100.0, "all of it (100 %)")),
        curves: vec![
            curve("decode", 0, decoded(report, |row| percent(row.estimates.decode_gb))),
            curve("prefill", 2, points(report, |row| percent(row.estimates.prefill_gb))),
        ],
    }
    .draw()
}

fn concurrency(report: &Report<'_>) -> Option<Figure> {
    let points = |each: bool| {
        let spot = |(sequences, seconds): (usize, Estimate)| {
            let rate = many::rate(sequences, seconds);
            let part = if each { sequences as f64 } else { 1.0 };
            with_interval(sequences as f64, rate.map(|rate| rate / part))
        };
        report.concurrency.plain().map(spot).collect()
    };
    Plot {
        name: "concurrency",
        title: "Decode rate by sequences at once".into(),
        note: WHISKERS.into(),
        x_label: "sequences at once",
        y_label: "tokens/s",
        log: true,
        mark: None,
        curves: vec![
            curve("all together", 0, points(false)),
            curve("each", 1, points(true)),
        ],
    }
    .draw()
}

fn prompt_parts(report: &Report<'_>) -> Option<Figure> {
    let measured = &report.concurrency;
    let (rows, _) = measured.mixed().next()?;
    let spot = |(rows, seconds): (Rows, Estimate)| {
        with_interval(rows.prompt as f64, seconds.map(|seconds| 1000.0 * seconds))
    };
    Plot {
        name: "prompt-parts",
        title: format!(
            "Step with a part of a prompt beside {} answers",
            rows.decode
        ),
        note: format!("{WHISKERS} Answers wait as long for their next token."),
        x_label: "tokens of the prompt in the step",
        y_label: "ms",
        log: true,
        mark: Some((1000.0 * measured.gap_seconds(rows.decode), "token gap")),
        curves: vec![curve("step", 2, measured.mixed().map(spot).collect())],
    }
    .draw()
}

fn step_time(report: &Report<'_>) -> Option<Figure> {
    const FILLS: [&str; 4] = ["f0", "f2", "f1", "rest"];
    let stack = |split: &Split| Stack {
        name: format!(
            "{} at {}, {} plan",
            split.phase.name(),
            split.total_tokens,
            split.under.name()
        ),
        parts: split.parts().map(|part| part.mean_seconds.median).into(),
        total: duration(split.step_seconds().median),
    };
    let mut splits: Vec<&Split> = report.splits.iter().collect();
    splits.sort_by_key(|split| (split.phase == Phase::Prefill, split.total_tokens));
    let stacked: Vec<Stack> = splits.iter().map(|split| stack(split)).collect();
    let names = report.splits.first()?.parts().map(|part| part.name);
    let parts: Vec<(&str, &str)> = names.into_iter().zip(FILLS).collect();
    stacks(
        "step-time",
        "Shares of a step, by kind of work".into(),
        "Mean over the workers; each bar is one step, its length to the right.".into(),
        (&parts, &stacked),
    )
}

fn threads(report: &Report<'_>, phase: Phase) -> Option<Figure> {
    let (stage, name) = match phase {
        Phase::Decode => (Stage::DecodeTeam, "threads-decode"),
        Phase::Prefill => (Stage::PrefillTeam, "threads-prefill"),
    };
    let mut by_map = RatesByMap::new();
    // The race near the best that may follow runs longer samples, whose rates are not the same.
    for lane in races(report, stage).take(1).flat_map(|race| &race.lanes) {
        let team = phase.team(&lane.candidate.plan);
        let of_map = by_map.entry(&team.map).or_default();
        of_map.entry(team.threads).or_default().extend(&lane.rates);
    }
    if let Some(threads) = only_count(&by_map) {
        return maps(report, (phase, stage, name), threads, &by_map);
    }
    let curves = by_map.iter().enumerate().map(|(colour, (map, rates))| {
        let spot = |(threads, rates): (&usize, &Vec<f64>)| {
            Some(with_interval(*threads as f64, Estimate::of(rates)?))
        };
        curve(map, colour, rates.iter().filter_map(spot).collect())
    });
    Plot {
        name,
        title: format!("{}: rate by threads, for each map", capital(phase.name())),
        note: format!("From the race of this stage. {WHISKERS}"),
        x_label: "threads",
        y_label: "tokens/s",
        log: false,
        mark: None,
        curves: curves.collect(),
    }
    .draw()
}

/// Rates by threads, by map.
type RatesByMap<'r> = BTreeMap<&'r str, BTreeMap<usize, Vec<f64>>>;

/// The number of threads, where all maps have the same one.
fn only_count(by_map: &RatesByMap<'_>) -> Option<usize> {
    let counts: BTreeSet<usize> = by_map
        .values()
        .flat_map(|rates| rates.keys())
        .copied()
        .collect();
    match counts.len() {
        1 => counts.first().copied(),
        _ => None,
    }
}

/// A bar for each map: with one number of threads there is no curve to draw.
fn maps(
    report: &Report<'_>,
    (phase, stage, name): (Phase, Stage, &'static str),
    threads: usize,
    by_map: &RatesByMap<'_>,
) -> Option<Figure> {
    let won = races(report, stage)
        .next()
        .map(|race| phase.team(&race.winner().plan).map.clone());
    let bar = |(map, rates): (&&str, &BTreeMap<usize, Vec<f64>>)| {
        Some(Bar {
            name: (*map).to_owned(),
            value: Estimate::of(rates.get(&threads)?)?,
            won: won.as_deref() == Some(*map),
        })
    };
    let drawn: Vec<Bar> = by_map.iter().filter_map(bar).collect();
    let title = format!("{}: rate by map, {threads} threads", capital(phase.name()));
    bars(name, title, WHISKERS.into(), &drawn)
}

/// Rows kept in cache by tokens per step, from both races of prefill sizes.
fn prefill_blocks(report: &Report<'_>) -> Option<Figure> {
    let mut cells: BTreeMap<(usize, usize), Vec<f64>> = BTreeMap::new();
    let stages = [Stage::PrefillRows, Stage::PrefillChunk];
    let lanes = stages
        .into_iter()
        .flat_map(|stage| races(report, stage))
        .flat_map(|race| &race.lanes);
    for lane in lanes.filter(|lane| !lane.rates.is_empty()) {
        let blocking = &lane.candidate.plan.blocking;
        let key = (blocking.prefill_chunk, blocking.prefill_rows);
        cells.entry(key).or_default().extend(&lane.rates);
    }
    let chosen = report.confirmation.map(|found| {
        let blocking = &found.plan.blocking;
        (blocking.prefill_chunk, blocking.prefill_rows)
    });
    Heat {
        name: "prefill-blocks",
        title: "Prefill rate by block sizes, tokens/s".into(),
        note: "Framed: chosen. Dashed: not measured, since sizes race one after the other.".into(),
        x_label: "tokens per step",
        y_label: "rows kept in cache",
        cells: cells
            .into_iter()
            .map(|(key, rates)| (key, median(&rates)))
            .collect(),
        chosen,
    }
    .draw()
}

/// Bars of one race of sizes; of those of prefill only where they do not make a map.
fn sizes(report: &Report<'_>, stage: Stage, name: &'static str) -> Option<Figure> {
    let of_prefill = matches!(stage, Stage::PrefillRows | Stage::PrefillChunk);
    if of_prefill && prefill_blocks(report).is_some() {
        return None;
    }
    let race = races(report, stage).next()?;
    let mut lanes: Vec<(usize, &Lane)> = race.lanes.iter().enumerate().collect();
    lanes.sort_by_key(|(_, lane)| size(&lane.candidate.name));
    let bar = |(index, lane): &(usize, &Lane)| {
        Some(Bar {
            name: lane.candidate.name.clone(),
            value: Estimate::of(&lane.rates)?,
            won: *index == race.winner,
        })
    };
    let drawn: Vec<Bar> = lanes.iter().filter_map(bar).collect();
    bars(name, capital(&race.title), WHISKERS.into(), &drawn)
}

/// The number in a candidate's name.
fn size(name: &str) -> usize {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn races<'r>(report: &Report<'r>, stage: Stage) -> impl Iterator<Item = &'r Outcome> {
    let outcomes = report.log.outcomes.iter();
    outcomes.filter(move |race| race.stage == stage)
}

fn points(report: &Report<'_>, pick: impl Fn(&Row) -> Option<Estimate>) -> Vec<Spot> {
    let spot = |row: &Row| Some(with_interval(row.total_tokens as f64, pick(row)?));
    report.rows.iter().filter_map(spot).collect()
}

/// Likewise, of decoding: sampled lengths are marked.
fn decoded(report: &Report<'_>, pick: impl Fn(&Row) -> Option<Estimate>) -> Vec<Spot> {
    let spot = |row: &Row| {
        let spot = with_interval(row.total_tokens as f64, pick(row)?);
        Some(Spot {
            sampled: row.sampled,
            ..spot
        })
    };
    report.rows.iter().filter_map(spot).collect()
}

fn with_interval(x: f64, estimate: Estimate) -> Spot {
    Spot {
        x,
        y: estimate.median,
        low: estimate.low,
        high: estimate.high,
        sampled: false,
    }
}

fn exact(x: f64, y: f64) -> Spot {
    Spot {
        x,
        y,
        low: y,
        high: y,
        sampled: false,
    }
}

fn curve(name: &str, colour: usize, points: Vec<Spot>) -> Curve {
    Curve {
        name: name.into(),
        colour,
        dashed: false,
        points,
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}
