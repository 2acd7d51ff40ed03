//! A run on a host that is only described: no model is loaded, nothing is measured, no time passes.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use sysinfer_journal::clock::SampleClock;
use sysinfer_report::Section;
use sysinfer_search::space::placement;
use sysinfer_simulate::{SimulatedHost, SimulatedProbe, limits};

use super::arguments::TuneArgs;
use super::conclude::conclude;
use super::lengths::table_plan;
use super::samples::samples_table;
use super::search::search;
use super::setting::{Setting, request, teams};
use super::{destination, dry_run};
use crate::progress::Terminal;
use crate::{Ending, interrupt};

/// Searches on the host that the file `description` describes, and writes profile and report as a run
/// does, marked as a simulation.
///
/// # Errors
/// A wrong description, or as a run on this host.
pub(super) fn run(description: &Path, arguments: &TuneArgs) -> anyhow::Result<Ending> {
    let simulated = SimulatedHost::load(description)?;
    let host = &simulated.host;
    let teams = teams(arguments, host)?;
    if arguments.dry_run {
        print!("{}", dry_run::render(host, &teams, arguments));
        return Ok(Ending::Complete);
    }
    let source = arguments.model.required()?;
    let folder = destination::take(arguments, &host.info.cpu_model, &source.name())?;
    let directory = folder.path();
    let machine = simulated.machine(source.shape()?);
    let info = machine.shape.info.clone();
    // Before samples of an earlier run are put aside for those of this one.
    table_plan(arguments, &info, &mut Vec::new())?;
    let mut samples = samples_table(directory, false, &Rc::new(SampleClock::default()))?;
    let (interrupt, progress) = (interrupt::install()?, Terminal::to_stderr());
    let mut default = simulated.default_plan(&info.block_types);
    default.decode = placement::baseline(&request(arguments, host)).decode;
    default.prefill = default.decode.clone();
    let time = Cell::new(0.0);
    let setting = Setting {
        arguments,
        host,
        teams: &teams,
        kernels: &simulated.kernels(&info.block_types),
        info: &info,
        default: &default,
        clock: &|| time.get(),
        progress: &progress,
        interrupt: &interrupt,
        findings: Vec::new(),
    };
    let mut probe = SimulatedProbe::new(&machine, 0, &time);
    let mut run = search(setting, &mut probe, &mut samples)?;
    run.samples = samples.samples();
    let (name, basis) = (
        &simulated.description.name,
        simulated.description.description.trim().replace('\n', " "),
    );
    run.findings.remarks.insert(
        0,
        format!(
            "SIMULATION: every number here was calculated from the description of the host \"{name}\"; nothing was measured"
        ),
    );
    run.findings
        .remarks
        .insert(1, format!("what the description rests on: {basis}"));
    if let Some(modelled) = &simulated.description.modelled {
        let source = &modelled.source;
        run.findings.remarks.insert(
            2,
            format!(
                "core speeds are modelled from kernels of this program, not measured: {source}"
            ),
        );
    }
    let chosen = run.findings.confirmation.as_ref();
    let plan = chosen.map_or(&run.default, |found| &found.plan);
    let lengths = run.findings.data.decode_lengths();
    let limits = limits::section(&machine, plan, &lengths).map_err(anyhow::Error::msg)?;
    run.sections.extend(limits.map(|limits| Section {
        title: "What binds a decode step".into(),
        lines: limits.lines,
        header: limits.header,
        rows: limits.rows,
    }));
    run.pins = simulated.pins();
    run.instruction_sets = vec!["simulated".into()];
    conclude(arguments, host, &source, directory, run)
}
