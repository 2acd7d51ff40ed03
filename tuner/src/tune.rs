//! A whole run, top to bottom: host, model, search, confirmation, table, profile, report.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};
use sysinfer_engine::{EngineInfo, Plan, Precision};
use sysinfer_machine::MapPolicy;

use crate::Ending;
use crate::cli::TuneArgs;
use crate::conclude::{Findings, Run, conclude};
use crate::dry_run;
use crate::host::Host;
use crate::interrupt::Interrupt;
use crate::journal::Journal;
use crate::measure::Probe;
use crate::measure::engine_probe::EngineProbe;
use crate::measure::session::{Clock, Halt, Session};
use crate::measure::table as measured_table;
use crate::progress::Progress;
use crate::search::Stage;
use crate::search::budget::{Speed, TablePlan};
use crate::search::confirm::{self, Confirmation};
use crate::search::staged::{self, Inputs, Works};
use crate::simulate::{self, SimulatedHost, SimulatedProbe};
use crate::source::Source;
use crate::space::kernels::KernelSpace;
use crate::space::placement::{self, Request, TeamSpace};

/// Tunes, or lists what tuning would try.
///
/// # Errors
/// Arguments that cannot be followed, a model that cannot be loaded, a report that cannot be
/// written. Ctrl-C is not an error.
pub fn run(arguments: &TuneArgs) -> anyhow::Result<Ending> {
    let started = Instant::now();
    let simulated = arguments.simulate.as_deref();
    let simulated = simulated.map(SimulatedHost::load).transpose()?;
    let discovered;
    let host = match &simulated {
        Some(simulated) => &simulated.host,
        None => {
            discovered = Host::discover(arguments.topology_xml.as_deref())?;
            &discovered
        }
    };
    let teams = teams(arguments, host)?;
    if arguments.dry_run {
        print!("{}", dry_run::render(host, &teams, arguments));
        return Ok(Ending::Complete);
    }
    if simulated.is_none() {
        host.require_real()?;
    }
    let source = Source::required(&arguments.model)?;
    let directory = report_directory(arguments)?;
    let journal = Journal::create(&directory)
        .with_context(|| format!("cannot keep samples in {}", directory.display()))?;
    let mut bench = Bench {
        arguments,
        host,
        teams,
        journal,
        interrupt: Interrupt::install()?,
        progress: Progress::to_stderr(),
    };
    let run = match &simulated {
        Some(simulated) => on_simulated_host(&mut bench, simulated, &source)?,
        None => on_this_host(&mut bench, &source, started)?,
    };
    conclude(arguments, host, &source, &directory, run)
}

/// What a run has, whatever is measured.
struct Bench<'a> {
    arguments: &'a TuneArgs,
    host: &'a Host,
    teams: TeamSpace,
    journal: Journal,
    interrupt: Interrupt,
    progress: Progress,
}

/// What is measured: the engine on this host, or a described host.
struct Subject {
    default: Plan,
    info: EngineInfo,
    kernels: KernelSpace,
    table: TablePlan,
}

fn on_this_host(bench: &mut Bench<'_>, source: &Source, started: Instant) -> anyhow::Result<Run> {
    let (arguments, host) = (bench.arguments, bench.host);
    let mut default = Plan::with_threads(placement::baseline_team(&request(arguments, host)));
    default.memory.keep_file_cache = arguments.file.keep_file_cache;
    let engine = source.open(
        default,
        Precision::default(),
        &host.topology,
        &bench.progress,
    )?;
    let (mut default, info) = (engine.plan().clone(), engine.info().clone());
    // A wish about this run, not about the servers that follow the profile.
    default.memory.keep_file_cache = false;
    let mut findings = Findings::default();
    let table = table_plan(arguments, &info, &mut findings.remarks)?;
    let capacity = capacity(longest_tokens(&table), &table);
    let interrupt = bench.interrupt.clone();
    let mut probe = EngineProbe::new(engine, &host.topology, &interrupt, capacity);
    let kernels = KernelSpace::of_this_host(&info.block_types);
    let subject = Subject {
        default,
        info,
        kernels,
        table,
    };
    let clock = || started.elapsed().as_secs_f64();
    let mut run = measure(bench, subject, (&mut probe, &clock), findings);
    run.pins = probe.pins();
    Ok(run)
}

fn on_simulated_host(
    bench: &mut Bench<'_>,
    simulated: &SimulatedHost,
    source: &Source,
) -> anyhow::Result<Run> {
    let machine = simulated.machine(simulate::shape(source)?);
    let info = machine.shape.info.clone();
    let mut findings = Findings::default();
    let name = &simulated.description.name;
    findings.remarks.push(format!(
        "SIMULATION: every number here was calculated from the description of the host \"{name}\"; nothing was measured"
    ));
    findings.remarks.push(format!(
        "what the description rests on: {}",
        simulated.description.description.trim().replace('\n', " ")
    ));
    let table = table_plan(bench.arguments, &info, &mut findings.remarks)?;
    let kernels = simulated.kernels(&info.block_types);
    let mut default = simulated.default_plan(&info.block_types);
    default.decode = placement::baseline_team(&request(bench.arguments, bench.host));
    default.prefill = default.decode.clone();
    let subject = Subject {
        default,
        info,
        kernels,
        table,
    };
    let time = Cell::new(0.0);
    let mut probe = SimulatedProbe::new(&machine, 0, &time);
    let mut run = measure(bench, subject, (&mut probe, &|| time.get()), findings);
    run.pins = simulated.pins();
    Ok(run)
}

/// Search, confirmation and table; what is found by the time that they end or are stopped.
fn measure(
    bench: &mut Bench<'_>,
    subject: Subject,
    (probe, clock): (&mut dyn Probe, Clock<'_>),
    mut findings: Findings,
) -> Run {
    let (arguments, host) = (bench.arguments, bench.host);
    let Subject {
        default,
        info,
        kernels,
        table,
    } = subject;
    let mut session = Session {
        probe,
        sink: &mut bench.journal,
        progress: &bench.progress,
        interrupt: &bench.interrupt,
        clock,
        stage: Stage::Calibration,
        bandwidth: Vec::new(),
        discarded: 0,
        kept: 0,
    };
    let inputs = Inputs {
        default: &default,
        teams: &bench.teams,
        request: request(arguments, host),
        kernels: &kernels,
        blocks: &arguments.asked_blocks(),
        exhaustive: arguments.exhaustive,
        info: &info,
        l2_bytes: host.topology.caches.l2_bytes,
        prompt_tokens: table.prompt_tokens,
        longest_tokens: longest_tokens(&table),
        effort: arguments.effort(),
    };
    let limit = arguments.limit_seconds();
    let halted = drive(&mut session, &inputs, table, limit, &mut findings).err();
    let (bandwidth, discarded) = (session.bandwidth, session.discarded);
    bench.progress.finish();
    if discarded > 0 {
        findings.remarks.push(format!(
            "{discarded} samples were thrown away: the host was throttled or busy with other things (see samples.csv)"
        ));
    }
    Run {
        info,
        findings,
        bandwidth,
        pins: String::new(),
        halted,
    }
}

/// Calibration, search, confirmation, table; `findings` grows on the way.
fn drive(
    session: &mut Session<'_>,
    inputs: &Inputs<'_>,
    mut table: TablePlan,
    limit_seconds: Option<f64>,
    findings: &mut Findings,
) -> Result<(), Halt> {
    let works = staged::calibrate(session, inputs)?;
    let tuned = staged::search(session, inputs, &works, &mut findings.log)?;
    let limits = confirm::Limits {
        rounds: inputs.effort.confirm_rounds,
        until: inputs.effort.confirm_until,
    };
    let confirmation = confirm::confirm(session, inputs.default, &tuned, &works, limits)?;
    let speed = speed(inputs.info, &works, &confirmation);
    let plan = confirmation.plan.clone();
    findings.confirmation = Some(confirmation);
    if let Some(limit) = limit_seconds {
        let left = (limit - (session.clock)()).max(0.0);
        let cuts = table.cut_to_time(&speed, left);
        cuts.iter().for_each(|line| session.progress.note(line));
        findings.remarks.extend(cuts);
    }
    let data = (&mut findings.data, limit_seconds);
    let cuts = measured_table::measure(session, &plan, &table, &speed, data)?;
    findings.remarks.extend(cuts);
    Ok(())
}

fn speed(info: &EngineInfo, works: &Works, confirmation: &Confirmation) -> Speed {
    Speed {
        step_seconds: works.step_seconds / confirmation.gain_decode,
        prompt_token_seconds: works.prompt_token_seconds / confirmation.gain_prefill,
        decode_bytes: info.decode_bytes as f64,
        kv_bytes_per_position: info.kv_bytes_per_position as f64,
    }
}

fn teams(arguments: &TuneArgs, host: &Host) -> anyhow::Result<TeamSpace> {
    let maps = arguments.maps.as_deref();
    if maps.is_some_and(|maps| maps.contains(&MapPolicy::Given)) && arguments.cpus.is_none() {
        bail!("--maps given needs --cpus with a list, for example --cpus 0-21,24-45");
    }
    Ok(placement::teams(&request(arguments, host)))
}

/// What the arguments allow teams to be made of.
fn request<'a>(arguments: &'a TuneArgs, host: &'a Host) -> Request<'a> {
    Request {
        topology: &host.topology,
        effective_cpus: host.effective_cpus,
        threads: arguments.threads.as_ref().map(|threads| threads.values()),
        maps: arguments.maps.as_deref(),
        given: arguments.cpus.as_ref(),
    }
}

fn longest_tokens(table: &TablePlan) -> usize {
    let lengths = table.decode_lengths.iter().chain(&table.prefill_lengths);
    lengths.copied().max().unwrap_or(0)
}

/// Made before anything is measured: a run must not end in a place that cannot be written.
fn report_directory(arguments: &TuneArgs) -> anyhow::Result<PathBuf> {
    if arguments.output.file_name().is_none() || arguments.output.is_dir() {
        bail!(
            "-o {} is not a file name; try -o sysinfer-profile.toml",
            arguments.output.display()
        );
    }
    let directory = arguments.report.clone().unwrap_or_else(|| {
        let stem = arguments
            .output
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy();
        arguments.output.with_file_name(format!("{stem}-report"))
    });
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make the report directory {}", directory.display()))?;
    Ok(directory)
}

/// Lengths of the table within the model's context, and a remark about each cut.
fn table_plan(
    arguments: &TuneArgs,
    info: &EngineInfo,
    remarks: &mut Vec<String>,
) -> anyhow::Result<TablePlan> {
    let prefill = arguments.prefill.as_ref().unwrap_or(&arguments.lengths);
    let repeat = arguments
        .repeat
        .map_or(arguments.level().table_runs(), usize::from);
    let mut table = TablePlan {
        prompt_tokens: arguments.prompt,
        decode_lengths: arguments.lengths.values().to_vec(),
        prefill_lengths: prefill.values().to_vec(),
        repeat,
    };
    let cuts = table.cut_to_context(info.context_length);
    cuts.iter().for_each(|line| eprintln!("{line}"));
    remarks.extend(cuts);
    check_prompt(arguments.prompt, info.context_length)?;
    Ok(table)
}

/// A prompt must leave room for the few steps that size everything else.
///
/// # Errors
/// Names the limits.
pub fn check_prompt(prompt_tokens: usize, context_length: usize) -> anyhow::Result<()> {
    let most = context_length.saturating_sub(SHORTEST_RUN);
    if prompt_tokens == 0 || prompt_tokens > most {
        bail!(
            "--prompt {prompt_tokens}: the prompt must have 1 to {most} tokens, as the model's context has {context_length}"
        );
    }
    Ok(())
}

/// Steps that every decode run must have room for.
const SHORTEST_RUN: usize = 4;

/// Positions for the longest run: of the table, or of a race's sample.
fn capacity(longest_tokens: usize, table: &TablePlan) -> usize {
    longest_tokens
        .max(staged::LONGEST_SAMPLE)
        .max(table.prompt_tokens)
        + staged::LONGEST_SAMPLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_leave_room_to_decode() {
        assert!(check_prompt(16, 2048).is_ok() && check_prompt(2044, 2048).is_ok());
        for (prompt, context) in [(0, 2048), (2045, 2048), (1, 2)] {
            assert!(
                check_prompt(prompt, context).is_err(),
                "{prompt} of {context}"
            );
        }
    }
}
