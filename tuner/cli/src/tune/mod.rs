//! A whole run, top to bottom: host, model, a quiet moment, search, confirmation, table, profile, report.
//!
//! [`arguments`] say what is asked for, `setting` what follows from them and [`lengths`] what they make of the
//! table; `identity` tells one run from another. `search` measures. [`dry_run`] lists what a run would try,
//! [`replay`] runs on a journal in place of a host, `on_simulated_host` on a host that is only described.
//! [`mod@conclude`] writes what was found (`findings`): the [`profile`], the report ([`report_of_run`] says what is in it,
//! [`folder`] where it goes), and `last_lines` on the terminal.

pub mod arguments;
pub mod conclude;
pub(crate) mod destination;
pub mod dry_run;
mod findings;
pub mod folder;
mod identity;
mod last_lines;
pub mod lengths;
mod many;
mod on_simulated_host;
pub mod profile;
pub mod replay;
pub mod report_of_run;
mod samples;
mod search;
mod setting;
pub(crate) mod shell;
#[cfg(test)]
mod tests;

use std::rc::Rc;
use std::time::Instant;

use sysinfer_engine::Precision;
use sysinfer_engine::residency::Located;
use sysinfer_journal::clock::SampleClock;
use sysinfer_journal::opening;
use sysinfer_journal::opening::{Opened, instruction_sets};
use sysinfer_journal::recorder::{Live, Recorder};
use sysinfer_measure::engine_probe::EngineProbe;
use sysinfer_measure::host::check::Check;
use sysinfer_measure::quiet::wait::{ThisHost, Waited, wait_for_quiet};
use sysinfer_probe::{Halt, Progress};
use sysinfer_report::Section;
use sysinfer_search::space::kernels::KernelSpace;
use sysinfer_search::space::placement;

use self::arguments::TuneArgs;
use self::conclude::{conclude, ended_before_a_sample};
use self::identity::subject;
use self::lengths::{capacity, table_plan};
use self::samples::samples_table;
use self::search::search;
use self::setting::{Setting, request, teams};
use self::shell::words;
use crate::progress::Terminal;
use crate::{Ending, interrupt, this_host};

/// Tunes, or lists what tuning would try.
///
/// # Errors
/// Arguments that cannot be followed, a model that cannot be loaded, a report that cannot be
/// written. Ctrl-C is not an error.
pub fn run(arguments: &TuneArgs) -> anyhow::Result<Ending> {
    if let Some(journal) = &arguments.replay {
        return replay::run(journal);
    }
    if let Some(description) = &arguments.simulate {
        return on_simulated_host::run(description, arguments);
    }
    let started = Instant::now();
    let host = this_host::described(arguments.topology_xml.as_deref())?;
    let teams = teams(arguments, &host)?;
    let asked = arguments
        .threads
        .as_ref()
        .map_or(&[][..], |list| list.values());
    let surplus = asked.iter().filter_map(|threads| host.surplus(*threads));
    surplus.for_each(|line| eprintln!("{line}"));
    if arguments.dry_run {
        print!("{}", dry_run::render(&host, &teams, arguments));
        return Ok(Ending::Complete);
    }
    host.require_real()?;
    let source = arguments.model.required()?;
    let folder = destination::take(arguments, &host.info.cpu_model, &source.name())?;
    let directory = folder.path();
    let check = Check::of_this_host(&host);
    check.findings.iter().for_each(|line| eprintln!("{line}"));
    let subject = subject(&host, arguments);
    let recorded = match arguments.resume {
        true => opening::to_resume(directory, &subject, &mut |line| eprintln!("{line}"))?,
        false => None,
    };
    let clock = Rc::new(SampleClock::default());
    let interrupt = interrupt::install()?;
    let progress = Terminal::to_stderr();

    let mut default = placement::baseline(&request(arguments, &host));
    default.memory.keep_file_cache = arguments.file.keep_file_cache;
    let weights = arguments.file.weights.unwrap_or_default();
    default.memory.weights = weights;
    let engine = source.open(default, Precision::default(), &host.topology, &progress)?;
    let (mut default, info) = (engine.plan().clone(), engine.info().clone());
    // A wish about this run, not about the servers that follow the profile.
    default.memory.keep_file_cache = false;
    // What auto came to here is for every server to find out for itself.
    default.memory.weights = weights;
    let opened = Opened {
        subject: &subject,
        words: words(),
        findings: &check.findings,
        source: source.name(),
        info: &info,
        default: &default,
    };
    // Before files of an earlier run are put aside for those of this one.
    let longest = capacity(&table_plan(arguments, &info, &mut Vec::new())?);
    let mut lookout = ThisHost::new(host.topology.cpus.iter().map(|cpu| cpu.id).collect());
    let waited = Instant::now();
    let say = &mut |line: &str| progress.note(line);
    if wait_for_quiet(&mut lookout, arguments.wait_seconds(), &interrupt, say)
        == Waited::Interrupted
    {
        progress.finish();
        return ended_before_a_sample(Halt::Interrupted, directory);
    }
    // Time that was waited is not taken from measuring.
    let started = started + waited.elapsed();
    let writer = opening::writer(directory, &opened, recorded.as_ref(), &mut |line| {
        eprintln!("{line}")
    })?;
    // Not before: a run that ends up to here leaves the samples of the one before alone.
    let mut samples = samples_table(directory, recorded.is_some(), &clock)?;
    let setting = Setting {
        arguments,
        host: &host,
        teams: &teams,
        kernels: &KernelSpace::of_this_host(&info.block_types),
        info: &info,
        default: &default,
        clock: &|| clock.seconds(),
        progress: &progress,
        interrupt: &interrupt,
        findings: check.findings,
    };
    let mut probe = EngineProbe::new(engine, &host.topology, &interrupt, longest);
    let live = Live {
        probe: &mut probe,
        writer,
    };
    let mut recorder = match recorded {
        Some(recorded) => Recorder::resumed(live, clock.clone(), recorded),
        None => Recorder::new(live, clock.clone(), started),
    };
    let mut run = search(setting, &mut recorder, &mut samples)?;
    run.samples = samples.samples();
    run.findings.remarks.extend(recorder.remark());
    let chosen = run.findings.confirmation.as_ref();
    let pins = probe.pins(chosen.map_or(&default, |found| &found.plan));
    run.pins = pins
        .unwrap_or("those of the run that this one resumed")
        .into();
    run.instruction_sets = instruction_sets();
    let located = probe.residency();
    let warnings = located.iter().flatten().filter_map(Located::warning);
    run.findings.remarks.extend(warnings);
    run.sections.push(memory_section(located));
    conclude(arguments, &host, &source, directory, run)
}

/// Where memory was in the end, under the last plan that ran.
fn memory_section(found: std::io::Result<Vec<Located>>) -> Section {
    let lines = match found {
        Ok(located) => located.iter().map(Located::words).collect(),
        Err(error) => vec![format!("The kernel does not say: {error}")],
    };
    Section {
        title: "On which nodes memory is".into(),
        lines,
        ..Section::default()
    }
}
