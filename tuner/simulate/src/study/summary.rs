//! `study.csv` and `summary.md`: how far from the best the chosen plans are.

use std::fmt::Write;

use anyhow::Context;

use super::{Subject, Trial};

/// A choice counts as below the default when it is by more than this: weights that lie elsewhere move
/// the other phase by hundredths of a percent, which nobody can measure.
pub const BELOW: f64 = 0.001;
/// A choice is good when it loses no more than this against the true best.
pub const GOOD: f64 = 0.02;
const PHASES: [&str; 2] = ["decode", "prefill"];

/// What the trials of one host say about one phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Share of the runs whose choice is within [`GOOD`] of the best.
    pub good_share: f64,
    /// The largest loss, as a share of the best rate.
    pub worst_loss: f64,
    /// The loss that 95 % of the runs do not exceed.
    pub loss_95: f64,
    /// Runs whose choice is truly slower than the default by more than [`BELOW`].
    pub below_default: usize,
    /// The least gain over the default, as a share of its rate; below 0: a loss.
    pub worst_against_default: f64,
    /// The default's own loss.
    pub default_loss: f64,
}

/// The verdict about a phase: 0 decode, 1 prefill.
pub fn verdict(subject: &Subject, trials: &[Trial], phase: usize) -> Verdict {
    let (best, default) = (subject.best_rates[phase], subject.default_rates[phase]);
    let mut losses: Vec<f64> = trials
        .iter()
        .map(|trial| 1.0 - trial.rates[phase] / best)
        .collect();
    losses.sort_by(f64::total_cmp);
    let good = losses.iter().filter(|loss| **loss <= GOOD).count();
    let place = (losses.len() * 95).div_ceil(100).saturating_sub(1);
    Verdict {
        good_share: good as f64 / losses.len().max(1) as f64,
        worst_loss: losses.last().copied().unwrap_or(0.0),
        loss_95: losses.get(place).copied().unwrap_or(0.0),
        below_default: trials
            .iter()
            .filter(|trial| trial.rates[phase] < default * (1.0 - BELOW))
            .count(),
        worst_against_default: trials
            .iter()
            .map(|trial| trial.rates[phase] / default - 1.0)
            .fold(f64::INFINITY, f64::min),
        default_loss: 1.0 - default / best,
    }
}

/// Most samples that any run took.
pub fn most_samples(trials: &[Trial]) -> usize {
    trials.iter().map(|trial| trial.samples).max().unwrap_or(0)
}

/// One line for the terminal.
pub fn line(subject: &Subject, trials: &[Trial]) -> String {
    let of = |phase: usize| {
        let verdict = verdict(subject, trials, phase);
        format!(
            "{} {:.1} % good, 95 % lose below {:.2} %, worst {:.2} %, {} below the default (which loses {:.1} %)",
            PHASES[phase],
            100.0 * verdict.good_share,
            100.0 * verdict.loss_95,
            100.0 * verdict.worst_loss,
            verdict.below_default,
            100.0 * verdict.default_loss
        )
    };
    format!(
        "{}: {}; {}; at most {} samples of {}",
        subject.name(),
        of(0),
        of(1),
        most_samples(trials),
        subject.exhaustive_samples
    )
}

/// Every run of every host.
///
/// # Errors
/// None that a user could cause; the writer's own are passed on.
pub fn csv(studied: &[(Subject, Vec<Trial>)]) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "host",
        "model",
        "run",
        "decode_rate",
        "decode_best",
        "decode_default",
        "prefill_rate",
        "prefill_best",
        "prefill_default",
        "samples",
        "exhaustive_samples",
        "virtual_seconds",
        "decode_plan",
        "prefill_plan",
    ])?;
    for (subject, trials) in studied {
        for trial in trials {
            let number = |value: f64| format!("{value:.4}");
            writer.write_record([
                subject.name().to_owned(),
                subject.model().to_owned(),
                trial.run.to_string(),
                number(trial.rates[0]),
                number(subject.best_rates[0]),
                number(subject.default_rates[0]),
                number(trial.rates[1]),
                number(subject.best_rates[1]),
                number(subject.default_rates[1]),
                trial.samples.to_string(),
                subject.exhaustive_samples.to_string(),
                format!("{:.0}", trial.seconds),
                trial.names[0].clone(),
                trial.names[1].clone(),
            ])?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    String::from_utf8(bytes).context("the table is not UTF-8")
}

/// The page.
pub fn markdown(studied: &[(Subject, Vec<Trial>)]) -> String {
    let runs = studied.first().map_or(0, |(_, trials)| trials.len());
    let mut text = format!(
        "# The search on simulated hosts\n\n\
         **SIMULATION: no number here was measured on such a host.** Each host is a description \
         (`hosts/`), so that the true rate of every plan is known. The search ran {runs} times on each, \
         with the usual effort and noise of its own each time: log-normal samples, slow drift, rare \
         samples far too slow, void ones. A loss is what the chosen plan's true rate lacks of the best \
         true rate of all combinations; decode from 16 to 1024 tokens, prompts of 512. \
         Samples count until the decision, void ones and readings of the bandwidth included; \
         `--exhaustive` takes every combination in as many rounds as a race may have. Every run is in `study.csv`.\n\n\
         | host | model | phase | within 2 % of the best | 95 % lose at most | worst | below the default (by more than 0.1 %) | worst against the default | the default loses | most samples | of --exhaustive | combinations | virtual time, median |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
    );
    for (subject, trials) in studied {
        for phase in 0..2 {
            row(&mut text, subject, trials, phase);
        }
    }
    for (subject, _) in studied {
        let _ = write!(
            text,
            "\n## {}\n\n{}\n\n- best for decoding: {:.2} tokens/s with {}\n- best for prompts: {:.1} tokens/s with {}\n\n![Losses]({}.svg)\n",
            subject.name(),
            subject.description(),
            subject.best_rates[0],
            subject.best_names[0],
            subject.best_rates[1],
            subject.best_names[1],
            subject.name()
        );
    }
    text
}

fn row(text: &mut String, subject: &Subject, trials: &[Trial], phase: usize) {
    let found = verdict(subject, trials, phase);
    let most = most_samples(trials);
    let seconds: Vec<f64> = trials.iter().map(|trial| trial.seconds).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "| {} | {} | {} | {:.1} % | {:.2} % | {:.2} % | {} of {} | {:+.2} % | {:.1} % | {most} | {:.1} % of {} | {} | {:.0} s |",
        subject.name(),
        subject.model(),
        PHASES[phase],
        100.0 * found.good_share,
        100.0 * found.loss_95,
        100.0 * found.worst_loss,
        found.below_default,
        trials.len(),
        100.0 * found.worst_against_default,
        100.0 * found.default_loss,
        100.0 * most as f64 / subject.exhaustive_samples.max(1) as f64,
        subject.exhaustive_samples,
        subject.combinations,
        sysinfer_stats::median(&seconds)
    );
}
