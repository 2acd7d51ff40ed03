//! The end of a run: what of it stands, the profile, the report.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sysinfer_journal::Journal;
use sysinfer_measure::host::Host;
use sysinfer_measure::source::Source;
use sysinfer_probe::Halt;
use sysinfer_profiles::store::save_atomic;
use sysinfer_search::confirm::Confirmation;
use sysinfer_table::TableData;
use sysinfer_table::concurrency::Concurrency;

use super::arguments::TuneArgs;
use super::last_lines::results;
use super::profile::{self, Evidenced};
use super::run::{Findings, Run};
use super::shell::quoted;
use crate::Ending;
use crate::report::conditions::Conditions;
use crate::report::distrust::Distrust;
use crate::report::samples::Samples;
use crate::report::{self, Report, Row, reference};

/// Writes and prints what is known, and says what to do next.
///
/// # Errors
/// The report or the profile cannot be written, or measuring failed.
pub fn conclude(
    arguments: &TuneArgs,
    host: &Host,
    source: &Source,
    directory: &Path,
    run: Run,
) -> anyhow::Result<Ending> {
    let run = match run {
        Run {
            halted: Some(halt), ..
        } if run.conditions.taken == 0 => return ended_before_a_sample(halt, directory),
        run => run,
    };
    let topology = &host.topology;
    let reference = reference::for_model(&run.info);
    let conditions = on_the_teams_nodes(run.conditions, &run.findings, host);
    let Findings {
        log,
        confirmation,
        data,
        mut remarks,
        splits,
        concurrency,
    } = run.findings;
    let measured = confirmation.as_ref().map(|found| found.plan.clone());
    let (distrust, confirmation) = match conditions.distrust() {
        Some(why) => {
            let (force, found) = (arguments.force_untrusted, confirmation.as_ref());
            let (distrust, settled) = Distrust::settle(why, found, &run.default, force);
            (Some(distrust), settled)
        }
        None => (None, confirmation),
    };
    let samples = Samples::read(&Journal::path(directory)).unwrap_or_else(|error| {
        remarks.push(format!("void samples and gains are not shown: {error:#}"));
        Samples::default()
    });
    // Other teams, tried before, may have read more or less than the one that was chosen.
    let mut bandwidth = data.bandwidth();
    if bandwidth.is_empty() {
        bandwidth = run.bandwidth;
    }
    let report = Report {
        host: &host.info,
        info: &run.info,
        instruction_sets: run.instruction_sets,
        date: jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string(),
        command: command_line(),
        pins: run.pins,
        rows: report::rows(&data, report::roof(&bandwidth), reference),
        bandwidth,
        cores: data.cores_beside_prompts(),
        sections: [run.sections, conditions.sections()].concat(),
        conditions,
        log: &log,
        distrust,
        confirmation: confirmation.as_ref(),
        reference,
        remarks,
        prompt_tokens: arguments.prompt,
        splits,
        concurrency,
        samples,
        default_threads: run.default.decode.threads,
        cache_bytes: topology.l3_total_bytes(),
    };
    // Evidence of a profile is what was measured under its plan.
    let is_of_plan = measured.as_ref() == report.confirmation.map(|found| &found.plan);
    let (nothing, no_steps) = (TableData::default(), Concurrency::default());
    let evidence = match is_of_plan {
        true => UnderPlan::all_of(&report, &data),
        false => UnderPlan {
            rows: &[],
            data: &nothing,
            concurrency: &no_steps,
            read_gb_per_second: None,
        },
    };
    let paths = keep(arguments.output(), directory, &report, &evidence)
        .map_err(|error| behind(run.halted.as_ref(), error))?;
    results(arguments, source, &report, &paths);
    match run.halted {
        None => Ok(Ending::Complete),
        Some(Halt::Interrupted) => Ok(Ending::Interrupted),
        Some(other) => Err(other).context("measuring stopped; what was measured is in the report"),
    }
}

/// A run without samples has nothing to say, and does not say it over the report of another.
pub(super) fn ended_before_a_sample(halt: Halt, directory: &Path) -> anyhow::Result<Ending> {
    match halt {
        Halt::Interrupted => {
            eprintln!(
                "interrupted before the first sample: profile and report in {} stay as they were",
                directory.display()
            );
            Ok(Ending::Interrupted)
        }
        other => Err(other).context("measuring stopped before the first sample"),
    }
}

/// The roof is that of the nodes that the chosen decode team runs on.
fn on_the_teams_nodes(mut conditions: Conditions, findings: &Findings, host: &Host) -> Conditions {
    if let Some(found) = &findings.confirmation {
        conditions.set_team(&found.plan.decode, &host.topology);
    }
    conditions
}

/// What was measured under the plan of the profile.
struct UnderPlan<'a> {
    /// The table.
    rows: &'a [Row],
    /// The runs behind it.
    data: &'a TableData,
    /// Steps of many sequences.
    concurrency: &'a Concurrency,
    /// Read bandwidth of its decode team.
    read_gb_per_second: Option<f64>,
}

impl<'a> UnderPlan<'a> {
    /// All that the report has.
    fn all_of(report: &'a Report<'_>, data: &'a TableData) -> Self {
        Self {
            rows: &report.rows,
            data,
            concurrency: &report.concurrency,
            read_gb_per_second: report.roof(),
        }
    }
}

/// Writes profile and report, and returns the report's files. The profile goes first, as what the run is
/// for; neither is lost because the other cannot be written.
fn keep(
    output: &Path,
    directory: &Path,
    report: &Report<'_>,
    evidence: &UnderPlan<'_>,
) -> anyhow::Result<Vec<PathBuf>> {
    let saved = report.confirmation.map_or(Ok(()), |found| {
        save_profile(output, report, found, evidence)
    });
    let written = report.write(directory);
    saved?;
    let mut paths = vec![Journal::path(directory)];
    paths.extend(written?);
    Ok(paths)
}

/// An error of writing, behind the reason why measuring had stopped, if it had.
fn behind(halted: Option<&Halt>, error: anyhow::Error) -> anyhow::Error {
    match halted {
        Some(halt) => error.context(format!("measuring had stopped: {halt}")),
        None => error,
    }
}

fn save_profile(
    path: &Path,
    report: &Report<'_>,
    found: &Confirmation,
    evidence: &UnderPlan<'_>,
) -> anyhow::Result<()> {
    let profile = profile::profile(&Evidenced {
        host: report.host,
        info: report.info,
        confirmation: found,
        distrust: report.distrust.as_ref().map(|distrust| &distrust.why[..]),
        rows: evidence.rows,
        data: evidence.data,
        read_gb_per_second: evidence.read_gb_per_second,
        conditions: &report.conditions,
        samples: &report.samples,
        concurrency: evidence.concurrency,
        prompt_tokens: report.prompt_tokens,
        date: &report.date,
        command: &report.command,
    });
    Ok(save_atomic(path, &profile)?)
}

/// The command line as it could be typed again.
fn command_line() -> String {
    std::env::args_os()
        .map(|argument| quoted(&argument.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{Planted, data};

    #[test]
    fn profile_and_report_are_not_lost_with_each_other() {
        let planted = Planted::new();
        let (report, data) = (planted.report(), data());
        let evidence = &UnderPlan::all_of(&report, &data);
        let folder = tempfile::tempdir().expect("a folder");
        let (profile, nowhere) = (folder.path().join("p.toml"), folder.path().join("nowhere"));
        let error = keep(&profile, &nowhere, &report, evidence).expect_err("no such folder");
        assert!(format!("{error:#}").contains("nowhere"), "{error:#}");
        assert!(profile.exists());
        let error = keep(&nowhere.join("p.toml"), folder.path(), &report, evidence);
        let error = behind(Some(&Halt::Interrupted), error.expect_err("no such folder"));
        let message = format!("{error:#}");
        assert!(
            message.starts_with("measuring had stopped: interrupted: ")
                && message.contains("nowhere"),
            "{message}"
        );
        assert!(folder.path().join("summary.md").exists());
        let paths = keep(&profile, folder.path(), &report, evidence).expect("writable");
        assert_eq!(paths[0], Journal::path(folder.path()));
    }
}
