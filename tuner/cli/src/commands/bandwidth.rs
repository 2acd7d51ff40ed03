//! `bandwidth`: the read bandwidth of this host's memory, without a model.

use std::time::Instant;

use clap::Args;
use sysinfer_engine::{PhasePlan, Plan};
use sysinfer_machine::Topology;
use sysinfer_measure::bandwidth::NodeReader;
use sysinfer_measure::host::available_bytes;
use sysinfer_measure::quiet::Watch;
use sysinfer_probe::{Halt, Nowhere, Probe, ProbeError, Progress, Reading, Session, Work};
use sysinfer_table::survey;
use sysinfer_table::survey::{Limits, Survey};
use sysinfer_terminal::render;

use crate::progress::Terminal;
use crate::{Ending, interrupt, this_host};

/// Arguments of `bandwidth`.
#[derive(Args, Clone, Debug)]
pub struct BandwidthArgs {
    /// Rounds over all rows; every round reads each row three times
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rounds: u16,
    /// Begin no further row after so many seconds, once each was read
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pub seconds: u16,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Measures the map, and prints it.
///
/// # Errors
/// The topology is not this host's, or memory cannot be had.
pub fn run(arguments: &BandwidthArgs) -> anyhow::Result<Ending> {
    let host = this_host::discover()?;
    host.require_real()?;
    let interrupt = interrupt::install()?;
    let progress = Terminal::to_stderr();
    let mut probe = MemoryProbe {
        reader: NodeReader::new(&host.topology, available_bytes().unwrap_or(0)),
        watch: Watch::default(),
    };
    let started = Instant::now();
    let clock = || started.elapsed().as_secs_f64();
    let mut sink = Nowhere;
    let mut session = Session::new(&mut probe, &mut sink, &progress, &interrupt, &clock);
    let limits = Limits {
        rounds: usize::from(arguments.rounds),
        seconds: f64::from(arguments.seconds),
    };
    let mut survey = Survey::new(survey::jobs(&host.topology, host.effective_cpus));
    let measured = survey.measure(&mut session, &any_plan(&host.topology), limits);
    let (voids, taken) = (session.voids, session.retries.taken());
    progress.finish();
    let ending = match measured {
        Ok(()) => Ending::Complete,
        Err(Halt::Interrupted) => Ending::Interrupted,
        Err(other) => return Err(other.into()),
    };
    let map = survey.map();
    if arguments.json {
        println!("{}", serde_json::to_string(&map)?);
    } else {
        let (header, rows) = map.cells();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        println!("{}", render(&header, rows.into_iter()));
    }
    if let Some(remark) = voids.remark(taken) {
        eprintln!("note: {remark}");
    }
    Ok(ending)
}

/// Reading memory does not depend on a plan.
fn any_plan(topology: &Topology) -> Plan {
    Plan::with_threads(PhasePlan::unpinned(topology.cpus.len().max(1)))
}

/// A host without a model.
struct MemoryProbe {
    reader: NodeReader,
    watch: Watch,
}

impl Probe for MemoryProbe {
    fn measure(&mut self, _plan: &Plan, work: &Work) -> Result<Reading, ProbeError> {
        let Work::Stream { cpus, memory_node } = work else {
            return Err(ProbeError::Failed("there is no model to run".into()));
        };
        self.reader
            .fill(cpus, *memory_node)
            .map_err(ProbeError::Refused)?;
        self.watch.start(cpus);
        let points = self
            .reader
            .read(cpus, *memory_node)
            .map_err(ProbeError::Refused)?;
        Ok(Reading {
            points,
            disturbed: self.watch.disturbance(),
        })
    }
}
