//! The end of a run: what of it stands, the profile, the report.

use std::path::Path;

use anyhow::Context;
use sysinfer_journal::SamplesCsv;
use sysinfer_measure::host::Host;
use sysinfer_measure::source::Source;
use sysinfer_probe::Halt;
use sysinfer_profiles::store::save_atomic;
use sysinfer_report::Report;
use sysinfer_table::TableData;

use super::arguments::TuneArgs;
use super::findings::{Findings, Run};
use super::last_lines::results;
use super::profile::profile;
use super::report_of_run::conditions::Conditions;
use super::report_of_run::distrust::Distrust;
use super::report_of_run::{self, Ended, reference, rows};
use super::shell::quoted;
use crate::Ending;

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
        remarks,
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
    // Other teams, tried before, may have read more or less than the one that was chosen.
    let mut bandwidth = data.bandwidth();
    if bandwidth.is_empty() {
        bandwidth = run.bandwidth;
    }
    let served = || {
        let profile = arguments.output().display().to_string();
        let (model, profile) = (quoted(&source.server_argument()), quoted(&profile));
        format!("sysinfer-server {model} -t 0.0 -n 4096 --profile {profile}")
    };
    let ended = Ended {
        host: &host.info,
        info: &run.info,
        instruction_sets: run.instruction_sets,
        date: jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string(),
        command: command_line(),
        pins: run.pins,
        rows: rows::rows(&data, rows::roof(&bandwidth), reference),
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
        samples: run.samples,
        default_threads: run.default.decode.threads,
        cache_bytes: topology.l3_total_bytes(),
        serve: arguments.simulate.is_none().then(served),
    };
    // Evidence of a profile is what was measured under its plan.
    let is_of_plan = measured.as_ref() == ended.confirmation.map(|found| &found.plan);
    let evidence = is_of_plan.then_some(&data);
    let report = keep(arguments.output(), directory, &ended, evidence)
        .map_err(|error| behind(run.halted.as_ref(), error))?;
    results(arguments.format, &report, &ended)?;
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

/// Writes profile and report, and returns what the report says. The profile goes first, as what the run is for;
/// neither is lost because the other cannot be written.
fn keep(
    output: &Path,
    directory: &Path,
    ended: &Ended<'_>,
    evidence: Option<&TableData>,
) -> anyhow::Result<Report> {
    let saved = ended.confirmation.map_or(Ok(()), |found| {
        save_atomic(output, &profile(ended, found, evidence))
    });
    let kept = ended.confirmation.map(|_| output);
    let written = report_of_run::write(ended, directory, kept, SamplesCsv::path(directory));
    saved?;
    written
}

/// An error of writing, behind the reason why measuring had stopped, if it had.
fn behind(halted: Option<&Halt>, error: anyhow::Error) -> anyhow::Error {
    match halted {
        Some(halt) => error.context(format!("measuring had stopped: {halt}")),
        None => error,
    }
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
    use crate::tune::report_of_run::tests::{Planted, data};

    #[test]
    fn profile_and_report_are_not_lost_with_each_other() {
        let planted = Planted::new();
        let (ended, data) = (planted.ended(), data());
        let evidence = Some(&data);
        let folder = tempfile::tempdir().expect("a folder");
        let (profile, nowhere) = (folder.path().join("p.toml"), folder.path().join("nowhere"));
        let error = keep(&profile, &nowhere, &ended, evidence).expect_err("no such folder");
        assert!(format!("{error:#}").contains("nowhere"), "{error:#}");
        assert!(profile.exists());
        let error = keep(&nowhere.join("p.toml"), folder.path(), &ended, evidence);
        let error = behind(Some(&Halt::Interrupted), error.expect_err("no such folder"));
        let message = format!("{error:#}");
        assert!(
            message.starts_with("measuring had stopped: interrupted: ")
                && message.contains("nowhere"),
            "{message}"
        );
        assert!(folder.path().join("summary.md").exists());
        let report = keep(&profile, folder.path(), &ended, evidence).expect("writable");
        let samples = SamplesCsv::path(folder.path()).display().to_string();
        assert_eq!(report.files[0], samples);
        let of_report = |path: &&String| **path != samples;
        assert!(
            report
                .files
                .iter()
                .filter(of_report)
                .all(|path| Path::new(path).is_file())
        );
    }
}
