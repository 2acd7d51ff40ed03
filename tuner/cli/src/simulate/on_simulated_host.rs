//! A run on a host that is only described: no model is loaded, nothing is measured, no time passes.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use anyhow::Context;

use super::{SimulatedHost, SimulatedProbe, limits, shape};
use crate::Ending;
use crate::interrupt::Interrupt;
use crate::journal::Journal;
use crate::journal::clock::SampleClock;
use crate::progress::Progress;
use crate::source::Source;
use crate::space::placement;
use crate::tune::arguments::TuneArgs;
use crate::tune::conclude::conclude;
use crate::tune::lengths::table_plan;
use crate::tune::{self, Setting, destination, dry_run};

/// Searches on the host that the file `description` describes, and writes profile and report as a run
/// does, marked as a simulation.
///
/// # Errors
/// A wrong description, or as a run on this host.
pub fn run(description: &Path, arguments: &TuneArgs) -> anyhow::Result<Ending> {
    let simulated = SimulatedHost::load(description)?;
    let host = &simulated.host;
    let teams = tune::teams(arguments, host)?;
    if arguments.dry_run {
        print!("{}", dry_run::render(host, &teams, arguments));
        return Ok(Ending::Complete);
    }
    let source = Source::required(&arguments.model)?;
    let folder = destination::take(arguments, &host.info.cpu_model, &source.name())?;
    let directory = folder.path();
    let machine = simulated.machine(shape(&source)?);
    let info = machine.shape.info.clone();
    // Before samples of an earlier run are put aside for those of this one.
    table_plan(arguments, &info, &mut Vec::new())?;
    let mut samples = Journal::create(directory, Rc::new(SampleClock::default()))
        .with_context(|| format!("cannot keep samples in {}", directory.display()))?;
    let (interrupt, progress) = (Interrupt::install()?, Progress::to_stderr());
    let mut default = simulated.default_plan(&info.block_types);
    default.decode = placement::baseline(&tune::request(arguments, host)).decode;
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
    let mut run = tune::search(setting, &mut probe, &mut samples)?;
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
    run.sections.extend(limits);
    run.pins = simulated.pins();
    run.instruction_sets = vec!["simulated".into()];
    conclude(arguments, host, &source, directory, run)
}
