//! Many users at once: what all of them get and each for itself, and what a part of a prompt adds to a step.

use sysinfer_report::figures::{duration, number};
use sysinfer_report::value::{Concurrency, PromptPart, Sequences};
use sysinfer_stats::Estimate;

use super::ended::Ended;

/// What the report says of it; `None` where nothing was measured.
pub(super) fn value(ended: &Ended<'_>) -> Option<Concurrency> {
    let measured = &ended.concurrency;
    let sequences = measured.plain().map(|(sequences, step_seconds)| {
        let rate = rate(sequences, step_seconds);
        Sequences {
            sequences,
            step_seconds,
            tokens_per_second: rate,
            tokens_per_second_each: rate.map(|rate| rate / sequences as f64),
        }
    });
    let prompt_parts = measured.mixed().map(|(rows, step_seconds)| PromptPart {
        sequences: rows.decode,
        prompt_rows: rows.prompt,
        step_seconds,
        within_gap: step_seconds.median <= measured.gap_seconds(rows.decode),
    });
    let mut value = Concurrency {
        context_tokens: measured.context_tokens,
        sequences: sequences.collect(),
        prompt_parts: prompt_parts.collect(),
        token_gap_seconds: measured
            .mixed()
            .next()
            .map(|(rows, _)| measured.gap_seconds(rows.decode)),
        // Of a plan that is not the profile's, nothing is for the server.
        serving: measured.limits().filter(|_| ended.distrust.is_none()),
        findings: Vec::new(),
    };
    value.findings = findings(&value);
    (!measured.steps.is_empty()).then_some(value)
}

/// What follows from it, sentence by sentence.
fn findings(measured: &Concurrency) -> Vec<String> {
    let mut said = Vec::new();
    if let [first, .., last] = &measured.sequences[..] {
        let (all, before) = (
            last.tokens_per_second.median,
            first.tokens_per_second.median,
        );
        said.push(format!(
            "{} sequences at once make {} tokens/s, {:.1} times those of {}: {} for each.",
            last.sequences,
            number(all),
            all / before,
            first.sequences,
            number(last.tokens_per_second_each.median)
        ));
    }
    if let Some((part, gap)) = measured
        .prompt_parts
        .first()
        .zip(measured.token_gap_seconds)
    {
        let gap = duration(gap);
        said.push(match measured.prompt_parts.iter().rfind(|part| part.within_gap) {
            Some(fits) => format!(
                "A step that reads {} tokens of a prompt beside {} answers stays within the token gap of {gap}.",
                fits.prompt_rows, fits.sequences
            ),
            None => format!(
                "No part of a prompt of the measured ones stays within the token gap of {gap} beside {} answers: \
                 the server makes smaller parts.",
                part.sequences
            ),
        });
    }
    if let Some(serving) = measured.serving {
        said.push(format!(
            "The profile tells the server to answer {} requests at once (--parallel), with a token gap of {} ms \
             (--token-gap), and what these steps took.",
            serving.parallel, serving.token_gap_ms
        ));
    }
    said
}

/// Tokens of all sequences in a second; a long step is a low rate.
fn rate(sequences: usize, seconds: Estimate) -> Estimate {
    let rate = |seconds: f64| sequences as f64 / seconds;
    Estimate {
        median: rate(seconds.median),
        low: rate(seconds.high),
        high: rate(seconds.low),
        count: seconds.count,
    }
}
