//! Which charts a report has: those for which something was measured.

use std::collections::{BTreeMap, BTreeSet};

use sysinfer_profiles::trust::NOT_TO_BE_TRUSTED;
use sysinfer_stats::Estimate;

use super::bars::{Bar, Shares, Whole};
use super::chart::{Chart, Drawing};
use super::lines::{Curve, Plot, Spot, is_number};
use crate::figures::duration;
use crate::value::{Candidate, Length, PromptPart, Report, Sequences, Stage};

/// All charts, in the order of the page. A chart may be looked at without the page, so that each says itself what is
/// not to be trusted.
pub fn all(report: &Report) -> Vec<Chart> {
    let charts = [
        throughput(report),
        prefill(report),
        bandwidth_share(report),
        concurrency(report),
        prompt_parts(report),
        step_time(report),
        threads(report, "decode-team", "threads-decode", "Decode"),
        threads(report, "prefill-team", "threads-prefill", "Prefill"),
        sizes(report, "prefill-rows"),
        sizes(report, "prefill-chunk"),
        sizes(report, "prefetch"),
        sizes(report, "attention-chunk"),
    ];
    let charts = charts.into_iter().flatten();
    let marked = charts.map(|chart| match report.trusted {
        true => chart,
        false => Chart {
            title: format!("{NOT_TO_BE_TRUSTED}: {}", chart.title),
            ..chart
        },
    });
    marked.collect()
}

fn throughput(report: &Report) -> Option<Chart> {
    let mut ours = decoded(report, |row| row.decode_tokens_per_second);
    ours.retain(|spot| is_number(&spot.y));
    // The reference alone is no figure.
    if ours.is_empty() {
        return None;
    }
    let theirs = points(report, |row| row.reference_tokens_per_second.map(exact));
    let reference = Curve {
        dashed: true,
        ..curve("reference (Kunpeng, 48 cores)", 1, theirs)
    };
    let key = match report.lengths.iter().any(Length::is_sampled) {
        true => "Open dots: sampled.",
        false => "",
    };
    Plot {
        x_label: "total tokens (prompt + output)",
        y_label: "tokens/s",
        doublings: true,
        mark: None,
        curves: vec![curve("this host", 0, ours), reference],
    }
    .chart("throughput", "Decode rate by total length", key)
}

fn prefill(report: &Report) -> Option<Chart> {
    let rates = points(report, |row| row.prefill_tokens_per_second);
    Plot {
        x_label: "tokens of the prompt",
        y_label: "tokens/s",
        doublings: true,
        mark: None,
        curves: vec![curve("this host", 0, rates)],
    }
    .chart("prefill", "Prefill rate by length of the prompt", "")
}

fn bandwidth_share(report: &Report) -> Option<Chart> {
    let roof = report.read_gb_per_second?.median;
    let prompts = |row: &Length| Some(row.prefill_gb_per_second?.map(|gb| 100.0 * gb / roof));
    Plot {
        x_label: "tokens",
        y_label: "% of read bandwidth",
        doublings: true,
        mark: Some((100.0, "all of it (100 %)")),
        curves: vec![
            curve(
                "decode",
                0,
                decoded(report, |row| row.percent_of_read_bandwidth),
            ),
            curve("prefill", 2, points(report, prompts)),
        ],
    }
    .chart(
        "bandwidth-share",
        "Share of the read bandwidth",
        format!("In percent of {roof:.1} GB/s."),
    )
}

fn concurrency(report: &Report) -> Option<Chart> {
    let measured = report.concurrency.as_ref()?;
    let spots = |rate: fn(&Sequences) -> Estimate| {
        let steps = measured.sequences.iter();
        steps.map(|step| spot(step.sequences, rate(step))).collect()
    };
    Plot {
        x_label: "sequences at once",
        y_label: "tokens/s",
        doublings: true,
        mark: None,
        curves: vec![
            curve("all together", 0, spots(|step| step.tokens_per_second)),
            curve("each", 1, spots(|step| step.tokens_per_second_each)),
        ],
    }
    .chart("concurrency", "Decode rate by sequences at once", "")
}

fn prompt_parts(report: &Report) -> Option<Chart> {
    let measured = report.concurrency.as_ref()?;
    let beside = measured.prompt_parts.first()?.sequences;
    let step = |part: &PromptPart| {
        spot(
            part.prompt_rows,
            part.step_seconds.map(|seconds| 1000.0 * seconds),
        )
    };
    Plot {
        x_label: "tokens of the prompt in the step",
        y_label: "ms",
        doublings: true,
        mark: measured
            .token_gap_seconds
            .map(|gap| (1000.0 * gap, "token gap")),
        curves: vec![curve(
            "step",
            2,
            measured.prompt_parts.iter().map(step).collect(),
        )],
    }
    .chart(
        "prompt-parts",
        format!("Step with a part of a prompt and {beside} answers"),
        "Answers wait as long for their next token.",
    )
}

fn step_time(report: &Report) -> Option<Chart> {
    let parts = report.steps.first()?.parts.iter();
    let parts = parts.map(|part| part.name.clone()).collect();
    let mut steps: Vec<_> = report.steps.iter().collect();
    steps.sort_by_key(|step| (step.phase == "prefill", step.total_tokens));
    let whole = |step: &&crate::value::Step| Whole {
        name: format!(
            "{} at {}, {} plan",
            step.phase, step.total_tokens, step.plan
        ),
        shares: step.parts.iter().map(|part| part.share).collect(),
        total: duration(step.step_seconds.median),
    };
    let wholes = steps.iter().map(whole).collect();
    Some(Chart {
        name: "step-time",
        title: "Shares of a step, by kind of work".into(),
        key: "Mean over the workers; the length of the step to the right.".into(),
        drawing: Drawing::Shares(Shares { parts, wholes }),
    })
}

/// Rates by threads, a curve for each map; bars of the maps where all have one number of threads.
fn threads(report: &Report, stage: &str, name: &'static str, phase: &str) -> Option<Chart> {
    // The race near the best that may follow runs longer samples, whose rates are not the same.
    let race = races(report, stage).next()?;
    let mut by_map: BTreeMap<&str, BTreeMap<usize, (&Candidate, Estimate)>> = BTreeMap::new();
    for candidate in &race.candidates {
        if let Some(rate) = candidate.tokens_per_second {
            let rates = by_map.entry(&candidate.map).or_default();
            rates.insert(candidate.threads, (candidate, rate));
        }
    }
    let counts: BTreeSet<usize> = by_map
        .values()
        .flat_map(|rates| rates.keys().copied())
        .collect();
    if let (1, Some(threads)) = (counts.len(), counts.first()) {
        let bar = |(map, rates): (&&str, &BTreeMap<usize, (&Candidate, Estimate)>)| {
            let (candidate, value) = rates.get(threads)?;
            let won = candidate.name == race.winner;
            Some(Bar {
                name: (*map).into(),
                value: *value,
                won,
            })
        };
        let title = format!("{phase}: rate by map, {threads} threads");
        return bars(name, title, by_map.iter().filter_map(bar).collect());
    }
    let curves = by_map.iter().enumerate().map(|(colour, (map, rates))| {
        let points = rates
            .iter()
            .map(|(threads, (_, rate))| spot(*threads, *rate));
        curve(map, colour, points.collect())
    });
    Plot {
        x_label: "threads",
        y_label: "tokens/s",
        doublings: false,
        mark: None,
        curves: curves.collect(),
    }
    .chart(name, format!("{phase}: rate by threads, for each map"), "")
}

/// Bars of one race of sizes.
fn sizes(report: &Report, stage: &'static str) -> Option<Chart> {
    let race = races(report, stage).next()?;
    let mut candidates: Vec<&Candidate> = race.candidates.iter().collect();
    candidates.sort_by_key(|candidate| size(&candidate.name));
    let bar = |candidate: &&Candidate| {
        Some(Bar {
            name: candidate.name.clone(),
            value: candidate.tokens_per_second?,
            won: candidate.name == race.winner,
        })
    };
    bars(
        stage,
        capital(&race.title),
        candidates.iter().filter_map(bar).collect(),
    )
}

/// The number in a candidate's name.
fn size(name: &str) -> usize {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn bars(name: &'static str, title: String, mut bars: Vec<Bar>) -> Option<Chart> {
    bars.retain(|bar| is_number(&bar.value));
    (!bars.is_empty()).then(|| Chart {
        name,
        title,
        key: String::new(),
        drawing: Drawing::Bars(bars),
    })
}

impl Plot {
    fn chart(
        self,
        name: &'static str,
        title: impl Into<String>,
        key: impl Into<String>,
    ) -> Option<Chart> {
        Some(Chart {
            name,
            title: title.into(),
            key: key.into(),
            drawing: Drawing::Lines(self.drawable()?),
        })
    }
}

fn races<'r>(report: &'r Report, stage: &'r str) -> impl Iterator<Item = &'r Stage> {
    report.stages.iter().filter(move |race| race.stage == stage)
}

fn points(report: &Report, pick: impl Fn(&Length) -> Option<Estimate>) -> Vec<Spot> {
    let rows = report.lengths.iter();
    rows.filter_map(|row| Some(spot(row.total_tokens, pick(row)?)))
        .collect()
}

/// Likewise, of decoding: sampled lengths are marked.
fn decoded(report: &Report, pick: impl Fn(&Length) -> Option<Estimate>) -> Vec<Spot> {
    let spot = |row: &Length| {
        Some(Spot {
            open: row.is_sampled(),
            ..spot(row.total_tokens, pick(row)?)
        })
    };
    report.lengths.iter().filter_map(spot).collect()
}

fn spot(x: usize, y: Estimate) -> Spot {
    Spot {
        x: x as f64,
        y,
        open: false,
    }
}

/// A number without an interval.
fn exact(value: f64) -> Estimate {
    Estimate {
        median: value,
        low: value,
        high: value,
        count: 1,
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
