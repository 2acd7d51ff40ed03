//! The end of a run: what of it stands, the profile, the report.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sysinfer_engine::{EngineInfo, Plan};
use sysinfer_profiles::store::save_atomic;

use super::arguments::TuneArgs;
use super::last_lines::results;
use super::profile::{self, Evidenced};
use crate::Ending;
use crate::host::Host;
use crate::journal::Journal;
use crate::measure::concurrency::Concurrency;
use crate::measure::session::Halt;
use crate::measure::split::Split;
use crate::measure::table::TableData;
use crate::report::conditions::Conditions;
use crate::report::distrust::Distrust;
use crate::report::reference;
use crate::report::samples::Samples;
use crate::report::{self, Report, Row, Section};
use crate::search::confirm::Confirmation;
use crate::search::staged::Log;
use crate::source::Source;

/// What a run has found so far.
#[derive(Default)]
pub struct Findings {
    /// The search, stage by stage.
    pub log: Log,
    /// The decision, once there is one.
    pub confirmation: Option<Confirmation>,
    /// The table, as far as it was measured.
    pub data: TableData,
    /// What was cut or thrown away, and other remarks.
    pub remarks: Vec<String>,
    /// Where the time of steps went.
    pub splits: Vec<Split>,
    /// Steps of many sequences.
    pub concurrency: Concurrency,
}

impl Findings {
    /// The plan that was decided on, else the default.
    pub fn plan(&self, default: &Plan) -> Plan {
        let found = self.confirmation.as_ref();
        found.map_or(default, |found| &found.plan).clone()
    }
}

/// What is known when measuring has ended.
pub struct Run {
    /// Shape of the model.
    pub info: EngineInfo,
    /// The plan of an untuned host.
    pub default: Plan,
    /// What was found.
    pub findings: Findings,
    /// Read bandwidth readings, GB/s.
    pub bandwidth: Vec<f64>,
    /// The host, its memory and void samples.
    pub conditions: Conditions,
    /// Threads and pins that really held.
    pub pins: String,
    /// Instruction sets of the host that kernels can use.
    pub instruction_sets: Vec<String>,
    /// What else the report is to show.
    pub sections: Vec<Section>,
    /// Why measuring stopped, if it did not end.
    pub halted: Option<Halt>,
}

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

/// An argument as a shell takes it.
pub(crate) fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+@%".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.into()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
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

    #[test]
    fn arguments_can_be_typed_again() {
        for (argument, expected) in [
            ("a-b/c.gguf", "a-b/c.gguf"),
            ("a b", "'a b'"),
            ("", "''"),
            ("a'b", r"'a'\''b'"),
        ] {
            assert_eq!(quoted(argument), expected);
        }
    }
}
