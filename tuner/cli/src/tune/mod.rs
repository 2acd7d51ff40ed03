//! A whole run, top to bottom: host, model, a quiet moment, search, confirmation, table, profile, report.
//!
//! [`arguments`] say what is asked for, [`block_lists`] how sizes among them are written and [`lengths`]
//! what they make of the table. [`dry_run`] lists what a run would try, [`replay`] runs on a journal in
//! place of a host. [`mod@conclude`] writes what was found: the [`profile`], the report, and `last_lines` on
//! the terminal.

pub mod arguments;
pub mod block_lists;
pub mod conclude;
pub(crate) mod destination;
pub mod dry_run;
mod last_lines;
pub mod lengths;
pub mod profile;
pub mod replay;

use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, bail};
use sysinfer_engine::engine::pass_rows;
use sysinfer_engine::residency::Located;
use sysinfer_engine::{EngineInfo, Plan, Precision};
use sysinfer_machine::MapPolicy;

use self::arguments::TuneArgs;
use self::conclude::{Findings, Run, conclude, ended_before_a_sample};
use self::lengths::{capacity, table_plan};
use crate::Ending;
use crate::host::Host;
use crate::host::check::{Check, Finding};
use crate::interrupt::Interrupt;
use crate::journal::clock::SampleClock;
use crate::journal::opening::{self, Opened, instruction_sets};
use crate::journal::recorder::{Live, Recorder};
use crate::journal::{Journal, Sink};
use crate::measure::Probe;
use crate::measure::bandwidth::map::{self, Survey};
use crate::measure::engine_probe::EngineProbe;
use crate::measure::more_runs;
use crate::measure::quiet::wait::{ThisHost, Waited, wait_for_quiet};
use crate::measure::session::{Clock, Halt, Session};
use crate::measure::split;
use crate::measure::table as measured_table;
use crate::measure::voids::Voids;
use crate::progress::Progress;
use crate::report::Section;
use crate::report::conditions::Conditions;
use crate::search::Stage;
use crate::search::budget::{Manner, Speed, TablePlan, prompt_growth};
use crate::search::confirm;
use crate::search::many::{self, Aim};
use crate::search::staged::{self, Inputs};
use crate::search::works::{self, Works};
use crate::simulate::on_simulated_host;
use crate::source::Source;
use crate::space::Phase;
use crate::space::kernels::KernelSpace;
use crate::space::placement::{self, Request, TeamSpace};

/// Decode steps at a context of a sampled pass take as long as so many samples of the search.
const VISIT_SAMPLES: f64 = 4.0;

/// Share of the limit that is left for what follows the table, where this takes more time than planned.
const AFTER_TABLE: f64 = 0.1;

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
    let host = Host::discover(arguments.topology_xml.as_deref())?;
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
    let source = Source::required(&arguments.model)?;
    let folder = destination::take(arguments, &host.info.cpu_model, &source.name())?;
    let directory = folder.path();
    let check = Check::of_this_host(&host);
    check.findings.iter().for_each(|line| eprintln!("{line}"));
    let recorded = opening::to_resume(directory, &host, arguments)?;
    let clock = Rc::new(SampleClock::default());
    let interrupt = Interrupt::install()?;
    let progress = Progress::to_stderr();

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
        arguments,
        host: &host,
        findings: &check.findings,
        source: &source,
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
    let writer = opening::writer(directory, &opened, recorded.as_ref())?;
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

/// `samples.csv`; a resumed run writes it anew, with what is in the journal.
fn samples_table(
    directory: &Path,
    resumed: bool,
    clock: &Rc<SampleClock>,
) -> anyhow::Result<Journal> {
    let open = if resumed {
        Journal::replace
    } else {
        Journal::create
    };
    open(directory, clock.clone())
        .with_context(|| format!("cannot keep samples in {}", directory.display()))
}

/// What a search works with besides the probe.
pub(crate) struct Setting<'a> {
    pub(crate) arguments: &'a TuneArgs,
    pub(crate) host: &'a Host,
    pub(crate) teams: &'a TeamSpace,
    /// Kernels to choose from.
    pub(crate) kernels: &'a KernelSpace,
    pub(crate) info: &'a EngineInfo,
    /// The plan of a host that was never tuned, every kernel named.
    pub(crate) default: &'a Plan,
    pub(crate) clock: Clock<'a>,
    pub(crate) progress: &'a Progress,
    pub(crate) interrupt: &'a Interrupt,
    /// What about the host costs speed.
    pub(crate) findings: Vec<Finding>,
}

impl Setting<'_> {
    /// The table to measure, and a remark about each cut.
    fn table(&self, remarks: &mut Vec<String>) -> anyhow::Result<TablePlan> {
        table_plan(self.arguments, self.info, remarks)
    }
}

/// Measures all there is to measure, as far as it gets; pins and instruction sets are left to the caller.
///
/// # Errors
/// Arguments that do not fit the model.
pub(crate) fn search(
    setting: Setting<'_>,
    probe: &mut dyn Probe,
    sink: &mut dyn Sink,
) -> anyhow::Result<Run> {
    let mut findings = Findings::default();
    let table = setting.table(&mut findings.remarks)?;
    let cuts = &findings.remarks;
    cuts.iter().for_each(|line| setting.progress.note(line));
    let limit = setting.arguments.limit_seconds();
    let mut session = Session {
        probe,
        sink,
        progress: setting.progress,
        interrupt: setting.interrupt,
        clock: setting.clock,
        stage: Stage::Calibration,
        bandwidth: Vec::new(),
        discarded: 0,
        kept: 0,
        voids: Voids::default(),
    };
    let mut inputs = Inputs {
        default: setting.default,
        teams: setting.teams,
        request: request(setting.arguments, setting.host),
        kernels: setting.kernels,
        blocks: &setting.arguments.asked_blocks(),
        exhaustive: setting.arguments.exhaustive,
        info: setting.info,
        l2_bytes: setting.host.topology.caches.l2_bytes,
        prompt_tokens: table.prompt_tokens,
        longest_tokens: table.longest_tokens(),
        effort: setting.arguments.effort(),
    };
    let jobs = map::jobs(&setting.host.topology, setting.host.effective_cpus);
    let mut survey = Survey::new(jobs);
    let limits = map::Limits::new(setting.arguments.quick, limit);
    let halted = survey
        .measure(&mut session, setting.default, limits)
        .and_then(|()| {
            drive(
                &mut session,
                &mut inputs,
                (table, setting.arguments),
                &mut findings,
            )
        })
        .and_then(|()| survey.measure(&mut session, setting.default, limits))
        .err();
    setting.progress.finish();
    let conditions = Conditions {
        findings: setting.findings,
        map: survey.map(),
        voids: session.voids,
        taken: session.taken(),
        best_gb_per_second: None,
    };
    Ok(Run {
        info: setting.info.clone(),
        default: setting.default.clone(),
        findings,
        bandwidth: session.bandwidth,
        conditions,
        pins: String::new(),
        instruction_sets: Vec::new(),
        sections: Vec::new(),
        halted,
    })
}

/// Calibration, search, confirmation, table; `findings` grows on the way.
fn drive(
    session: &mut Session<'_>,
    inputs: &mut Inputs<'_>,
    (mut table, arguments): (TablePlan, &TuneArgs),
    findings: &mut Findings,
) -> Result<(), Halt> {
    let limit_seconds = arguments.limit_seconds();
    let works = works::calibrate(session, inputs)?;
    reserve(inputs, &works, &table, limit_seconds);
    let inputs = &*inputs;
    let tuned = staged::search(session, inputs, &works, &mut findings.log)?;
    let limits = confirm::Limits {
        rounds: inputs.effort.confirm_rounds,
        until: inputs.effort.confirm_until,
    };
    let confirmation = confirm::confirm(session, inputs.default, &tuned, &works, limits)?;
    let gains = [Phase::Decode, Phase::Prefill].map(|phase| confirmation.factor(phase));
    let speed = speed(inputs.info, &works, gains.into());
    findings.confirmation = Some(confirmation);
    let aim = Aim {
        sequences: arguments.sequences.values(),
        token_gap_ms: arguments.token_gap,
        runs: arguments.table_runs(),
        until: limit_seconds.map(|limit| (session.clock)() + many::SHARE * limit),
    };
    match many_sequences(session, inputs, &works, (tuned.noise, &aim), findings) {
        // Journals of before many sequences were measured have none.
        Err(Halt::Unrecorded(why)) => findings.remarks.push(format!("many sequences: {why}")),
        other => other?,
    }
    let plan = findings.plan(inputs.default);
    if let Some(limit) = limit_seconds {
        let left = (limit - (session.clock)()).max(0.0);
        let cuts = table.fit(&speed, left, manner(inputs, &plan));
        cuts.iter().for_each(|line| session.progress.note(line));
        findings.remarks.extend(cuts);
    }
    let data = (&mut findings.data, limit_seconds);
    let cuts = measured_table::measure(session, &plan, &table, &speed, data)?;
    findings.remarks.extend(cuts);
    let limits = more_runs::Limits {
        runs: arguments.most_table_runs(),
        until: limit_seconds.map(|limit| (1.0 - AFTER_TABLE) * limit),
    };
    let data = (&mut findings.data, limits);
    more_runs::measure(session, &plan, &table, &speed, data)?;
    let request = split::Request {
        chosen: &plan,
        default: inputs.default,
        lengths: findings.data.decode_lengths(),
        prompts: &findings.data.prefill,
        speed: &speed,
        deadline: limit_seconds,
    };
    let (splits, cuts) = split::measure(session, &request)?;
    findings.splits = splits;
    findings.remarks.extend(cuts);
    Ok(())
}

/// Which steps of many sequences are the decode team's, and what many sequences have of it.
fn many_sequences(
    session: &mut Session<'_>,
    inputs: &Inputs<'_>,
    works: &Works,
    (noise, aim): (f64, &Aim<'_>),
    findings: &mut Findings,
) -> Result<(), Halt> {
    let plan = findings.plan(inputs.default);
    let raced = many::race_decode_rows(session, inputs, works, (&plan, noise), aim)?;
    if let (Some(outcome), Some(found)) = (raced, &mut findings.confirmation) {
        found.plan = many::take(&plan, &outcome);
        let rows = found.plan.blocking.decode_rows;
        let why = &outcome.why;
        found.reasons.push(format!(
            "steps of up to {rows} tokens are the decode team's: {why}"
        ));
        findings.log.outcomes.push(outcome);
    }
    let plan = findings.plan(inputs.default);
    many::measure(
        session,
        inputs,
        works,
        (&plan, aim),
        &mut findings.concurrency,
    )
}

/// Takes from search and confirmation what the table is worth, in equal shares: all its lengths, most
/// of them sampled if that is what fits.
fn reserve(inputs: &mut Inputs<'_>, works: &Works, table: &TablePlan, limit_seconds: Option<f64>) {
    let (Some(limit), Some(confirm_until)) = (limit_seconds, inputs.effort.confirm_until) else {
        return;
    };
    let speed = speed(inputs.info, works, (1.0, 1.0));
    let manner = manner(inputs, inputs.default);
    let many = many::SHARE * limit;
    let usual = limit - confirm_until - many;
    let left = limit - many - table.worth_seconds(&speed, (usual, limit), manner);
    let share = left / confirm_until;
    inputs.effort.confirm_until = Some(left);
    inputs.effort.search_until = inputs.effort.search_until.map(|until| share * until);
}

/// How the table's longest lengths are sampled under a plan.
fn manner(inputs: &Inputs<'_>, plan: &Plan) -> Manner {
    Manner {
        prompt_chunk: pass_rows(plan),
        visit_seconds: VISIT_SAMPLES * inputs.effort.sample_seconds,
    }
}

/// What calibration tells of a plan that is faster than the default by these factors.
fn speed(info: &EngineInfo, works: &Works, (decode, prefill): (f64, f64)) -> Speed {
    Speed {
        step_seconds: works.step_seconds / decode,
        prompt_token_seconds: works.prompt_token_seconds / prefill,
        decode_bytes: info.decode_bytes as f64,
        kv_bytes_per_position: info.kv_bytes_per_position as f64,
        prompt_growth: prompt_growth(info),
    }
}

/// Teams to try.
///
/// # Errors
/// A map without its list of CPUs.
pub(crate) fn teams(arguments: &TuneArgs, host: &Host) -> anyhow::Result<TeamSpace> {
    let maps = arguments.maps.as_deref();
    if maps.is_some_and(|maps| maps.contains(&MapPolicy::Given)) && arguments.cpus.is_none() {
        bail!("--maps given needs --cpus with a list, for example --cpus 0-21,24-45");
    }
    Ok(placement::teams(&request(arguments, host)))
}

/// What the arguments allow teams to be made of.
pub(crate) fn request<'a>(arguments: &'a TuneArgs, host: &'a Host) -> Request<'a> {
    Request {
        topology: &host.topology,
        effective_cpus: host.effective_cpus,
        threads: arguments.threads.as_ref().map(|threads| threads.values()),
        maps: arguments.maps.as_deref(),
        given: arguments.cpus.as_ref(),
    }
}
