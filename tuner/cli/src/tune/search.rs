//! From the first sample to the last: calibration, search, confirmation, many sequences, table.

use sysinfer_engine::engine::pass_rows;
use sysinfer_engine::{EngineInfo, Plan};
use sysinfer_probe::{Halt, Phase, Probe, Session, Sink};
use sysinfer_search::works::Works;
use sysinfer_search::{Inputs, confirm, many as search_many, staged, works};
use sysinfer_table::survey::{self, Survey};
use sysinfer_table::{
    SamplingLimits, Speed, TablePlan, Task, more_runs, prompt_growth, split,
    table as measured_table,
};

use super::arguments::TuneArgs;
use super::findings::{Findings, Run};
use super::many::{self, Aim};
use super::report_of_run::conditions::Conditions;
use super::report_of_run::samples::Samples;
use super::setting::{Setting, request};

/// Decode steps at a context of a sampled pass take as long as so many samples of the search.
const VISIT_SAMPLES: f64 = 4.0;

/// Share of the limit that is left for what follows the table, where this takes more time than planned.
const AFTER_TABLE: f64 = 0.1;

/// Measures all there is to measure, as far as it gets; samples, pins and instruction sets are left to the caller.
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
    let mut session = Session::new(
        probe,
        sink,
        setting.progress,
        setting.interrupt,
        setting.clock,
    );
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
    let jobs = survey::jobs(&setting.host.topology, setting.host.effective_cpus);
    let mut survey = Survey::new(jobs);
    let limits = survey::Limits::new(setting.arguments.quick, limit);
    let halted = survey
        .measure(&mut session, setting.default, limits)
        .and_then(|()| {
            drive(
                &mut session,
                &mut inputs,
                table,
                setting.arguments,
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
        taken: session.retries.taken(),
        best_gb_per_second: None,
    };
    Ok(Run {
        info: setting.info.clone(),
        default: setting.default.clone(),
        findings,
        bandwidth: session.bandwidth,
        conditions,
        samples: Samples::default(),
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
    mut table: TablePlan,
    arguments: &TuneArgs,
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
    let gains = Phase::ALL.map(|phase| confirmation.factor(phase));
    let speed = speed(inputs.info, &works, gains);
    findings.confirmation = Some(confirmation);
    let aim = Aim {
        sequences: arguments.sequences.values(),
        token_gap_ms: arguments.token_gap,
        runs: arguments.table_runs(),
        until: limit_seconds.map(|limit| (session.clock)() + search_many::SHARE * limit),
    };
    match many_sequences(session, inputs, &works, tuned.noise, &aim, findings) {
        // Journals of before many sequences were measured have none.
        Err(Halt::Unrecorded(why)) => findings.remarks.push(format!("many sequences: {why}")),
        other => other?,
    }
    let plan = findings.plan(inputs.default);
    if let Some(limit) = limit_seconds {
        let left = (limit - (session.clock)()).max(0.0);
        let cuts = table.fit(&speed, left, sampling_limits(inputs, &plan));
        cuts.iter().for_each(|line| session.progress.note(line));
        findings.remarks.extend(cuts);
    }
    let task = Task {
        plan: &plan,
        table: &table,
        speed: &speed,
        until: limit_seconds,
    };
    let cuts = measured_table::measure(session, task, &mut findings.data)?;
    findings.remarks.extend(cuts);
    let more = Task {
        until: limit_seconds.map(|limit| (1.0 - AFTER_TABLE) * limit),
        ..task
    };
    let runs = arguments.most_table_runs();
    more_runs::measure(session, more, runs, &mut findings.data)?;
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
    noise: f64,
    aim: &Aim<'_>,
    findings: &mut Findings,
) -> Result<(), Halt> {
    let plan = findings.plan(inputs.default);
    let raced = search_many::race_decode_rows(session, inputs, works, &plan, noise, aim.until)?;
    if let (Some(outcome), Some(found)) = (raced, &mut findings.confirmation) {
        found.plan = search_many::take(&plan, &outcome);
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
        &plan,
        aim,
        &mut findings.concurrency,
    )
}

/// Takes from search and confirmation what the table is worth, in equal shares: all its lengths, most
/// of them sampled if that is what fits.
fn reserve(inputs: &mut Inputs<'_>, works: &Works, table: &TablePlan, limit_seconds: Option<f64>) {
    let (Some(limit), Some(confirm_until)) = (limit_seconds, inputs.effort.confirm_until) else {
        return;
    };
    let speed = speed(inputs.info, works, [1.0; 2]);
    let limits = sampling_limits(inputs, inputs.default);
    let many = search_many::SHARE * limit;
    let usual = limit - confirm_until - many;
    let left = limit - many - table.worth_seconds(&speed, usual, limit, limits);
    let share = left / confirm_until;
    inputs.effort.confirm_until = Some(left);
    inputs.effort.search_until = inputs.effort.search_until.map(|until| share * until);
}

/// How the table's longest lengths are sampled under a plan.
fn sampling_limits(inputs: &Inputs<'_>, plan: &Plan) -> SamplingLimits {
    SamplingLimits {
        prompt_chunk: pass_rows(plan),
        visit_seconds: VISIT_SAMPLES * inputs.effort.sample_seconds,
    }
}

/// What calibration tells of a plan that is faster than the default by these factors.
fn speed(info: &EngineInfo, works: &Works, [decode, prefill]: [f64; 2]) -> Speed {
    Speed {
        step_seconds: works.step_seconds / decode,
        prompt_token_seconds: works.prompt_token_seconds / prefill,
        decode_bytes: info.decode_bytes as f64,
        kv_bytes_per_position: info.kv_bytes_per_position as f64,
        prompt_growth: prompt_growth(info),
    }
}
