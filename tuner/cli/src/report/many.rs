//! Many users at once: what all of them get and each for itself, and what a part of a prompt adds to a step.
//! Rows and words for all formats, and `concurrency.csv`.

use anyhow::Context;
use sysinfer_engine::lookup::Rows;
use sysinfer_profiles::StepEvidence;
use sysinfer_stats::Estimate;

use super::Report;
use super::figures::{duration, interval, number};

/// Heading of the part that is about them.
pub const TITLE: &str = "Many users at once";

/// Header of [`rate_rows`].
pub const RATE_HEADER: [&str; 6] = [
    "sequences at once",
    "tokens/s together",
    "interval",
    "tokens/s each",
    "step",
    "runs",
];

/// A line for each number of sequences.
pub fn rate_rows(report: &Report<'_>) -> Vec<Vec<String>> {
    let row = |(sequences, seconds): (usize, Estimate)| {
        let rate = rate(sequences, seconds);
        vec![
            sequences.to_string(),
            number(rate.median),
            interval(Some(rate)),
            number(rate.median / sequences as f64),
            duration(seconds.median),
            seconds.count.to_string(),
        ]
    };
    report.concurrency.plain().map(row).collect()
}

/// Header of [`prompt_rows`].
pub const PROMPT_HEADER: [&str; 6] = [
    "sequences",
    "tokens of a prompt",
    "step",
    "interval, ms",
    "prompt tokens/s",
    "within the gap",
];

/// A line for each part of a prompt beside the most sequences.
pub fn prompt_rows(report: &Report<'_>) -> Vec<Vec<String>> {
    let measured = &report.concurrency;
    let row = |(rows, seconds): (Rows, Estimate)| {
        let within = seconds.median <= measured.gap_seconds(rows.decode);
        vec![
            rows.decode.to_string(),
            rows.prompt.to_string(),
            duration(seconds.median),
            interval(Some(seconds.map(|seconds| 1000.0 * seconds))),
            number(rows.prompt as f64 / seconds.median),
            if within { "yes" } else { "no" }.into(),
        ]
    };
    measured.mixed().map(row).collect()
}

/// What follows from it, sentence by sentence; none where nothing was measured.
pub fn lines(report: &Report<'_>) -> Vec<String> {
    let measured = &report.concurrency;
    let plain: Vec<(usize, Estimate)> = measured.plain().collect();
    let (Some(first), Some(last)) = (plain.first(), plain.last()) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    if first.0 < last.0 {
        let (all, before) = (rate(last.0, last.1).median, rate(first.0, first.1).median);
        lines.push(format!(
            "{} sequences at once make {} tokens/s, {:.1} times those of {}: {} for each.",
            last.0,
            number(all),
            all / before,
            first.0,
            number(all / last.0 as f64)
        ));
    }
    if let Some((rows, _)) = measured.mixed().next() {
        let gap = measured.gap_seconds(rows.decode);
        let fits = measured
            .mixed()
            .filter(|(_, seconds)| seconds.median <= gap)
            .last();
        let gap = duration(gap);
        lines.push(match fits {
            Some((fits, _)) => format!(
                "A step that reads {} tokens of a prompt beside {} answers stays within the token gap of {gap}.",
                fits.prompt, fits.decode
            ),
            None => format!(
                "No part of a prompt of the measured ones stays within the token gap of {gap} beside {} answers: \
                 the server makes smaller parts.",
                rows.decode
            ),
        });
    }
    // Of a plan that is not the profile's, nothing is for the server.
    if let Some(serving) = measured.limits().filter(|_| report.distrust.is_none()) {
        lines.push(format!(
            "The profile tells the server to answer {} requests at once (--parallel), with a token gap of {} ms \
             (--token-gap), and what these steps took.",
            serving.parallel, serving.token_gap_ms
        ));
    }
    lines
}

/// How the numbers came about.
pub fn method(report: &Report<'_>) -> String {
    format!(
        "Each sequence held {} tokens of a prompt of its own; a step gives each of them one token. Choosing \
         tokens is not part of a step.",
        report.concurrency.context_tokens
    )
}

/// Tokens of all sequences in a second; a long step is a low rate.
pub fn rate(sequences: usize, seconds: Estimate) -> Estimate {
    let rate = |seconds: f64| sequences as f64 / seconds;
    Estimate {
        median: rate(seconds.median),
        low: rate(seconds.high),
        high: rate(seconds.low),
        count: seconds.count,
    }
}

const HEADER: [&str; 10] = [
    "sequences",
    "prompt_rows",
    "context_tokens",
    "runs",
    "step_ms",
    "step_low_ms",
    "step_high_ms",
    "tokens_per_second",
    "tokens_per_second_each",
    "trusted",
];

/// `concurrency.csv`: one line for each kind of step. `trusted` is `false` in every row of a run that is not
/// to be trusted.
///
/// # Errors
/// None that a user could cause; the writer's own are passed on.
pub fn csv(report: &Report<'_>) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    let trusted = report.distrust.is_none();
    let cells = |step: &StepEvidence| {
        let rate = step.tokens_per_second();
        [
            step.sequences.to_string(),
            step.prompt_rows.to_string(),
            step.context_tokens.to_string(),
            step.samples.to_string(),
            format!("{:.3}", step.milliseconds),
            format!("{:.3}", step.low),
            format!("{:.3}", step.high),
            format!("{rate:.3}"),
            format!("{:.3}", rate / step.sequences as f64),
            trusted.to_string(),
        ]
    };
    for step in report.concurrency.evidence() {
        writer.write_record(cells(&step))?;
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    String::from_utf8(bytes).context("the table is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::Planted;

    #[test]
    fn rates_are_of_all_and_of_each_and_parts_of_prompts_are_held_against_the_gap() {
        let planted = Planted::new();
        let report = planted.report();
        let rows = rate_rows(&report);
        assert_eq!(rows[1][..2], ["4", "200.00"], "{rows:?}");
        assert_eq!(rows[1][3], "50.00");
        let parts = prompt_rows(&report);
        let within: Vec<&str> = parts.iter().map(|row| row[5].as_str()).collect();
        assert_eq!(within, ["yes", "no"]);
        let said = lines(&report).join(" ");
        for needed in [
            "4 sequences at once make 200.00 tokens/s, 2.0 times those of 1: 50.00 for each.",
            "reads 32 tokens of a prompt beside 4 answers stays within the token gap of 100.0 ms",
            "answer 4 requests at once",
        ] {
            assert!(said.contains(needed), "{needed} is not in: {said}");
        }
    }

    #[test]
    fn a_line_for_each_kind_of_step() {
        let planted = Planted::new();
        let text = csv(&planted.report()).expect("renders");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(
            lines[2],
            "4,0,16,1,20.000,20.000,20.000,200.000,50.000,true"
        );
    }
}
