//! `verify`: measures a profile's table again and says whether it still holds.
//!
//! It measures (`plan` says what), compares the profile with that as `compare` does two profiles, and looks for
//! what `excuse`s a rate that is slower: the host, if it was slower in the same minutes. `conclusion` says what
//! follows for the profile.

pub mod arguments;
mod conclusion;
mod excuse;
mod output;
mod plan;

use std::time::Instant;

use anyhow::bail;
use sysinfer_engine::{EngineInfo, Precision};
use sysinfer_measure::engine_probe::EngineProbe;
use sysinfer_probe::{Halt, Nowhere, Phase, Progress, Session, Stage};
use sysinfer_profiles::Profile;
use sysinfer_stats::Verdict;
use sysinfer_table::{Sampling, TableData, TablePlan, Task, table as measured_table};

use self::arguments::VerifyArgs;
use self::conclusion::{Finding, Findings};
use self::output::json;
use self::plan::{speed, table_plan};
use crate::commands::chosen_plan::{self, PlanArgs};
use crate::commands::compare::judge::{Row, judge};
use crate::commands::compare::output::text;
use crate::commands::compare::side::Side;
use crate::model_arguments::FileArgs;
use crate::progress::Terminal;
use crate::tune::lengths::check_prompt;
use crate::{Ending, interrupt, this_host};

/// Lengths that seem slower get so many times as many runs more: one round of runs is enough to see
/// that a tenth is missing, and not to be sure.
const AGAIN: usize = 3;
/// One seems slower where a test of it alone is wrong in one case of ten. The last word is said of all runs
/// together, so that its level stays: a false alarm still needs all of them beyond the limit.
const ALPHA_SEEMS: f64 = 0.1;

/// Measures and prints.
///
/// # Errors
/// The profile does not hold, is not to be trusted, is of another host or model, or nothing can be measured.
pub fn run(arguments: &VerifyArgs) -> anyhow::Result<Ending> {
    let profile = Profile::load(&arguments.profile)?;
    chosen_plan::require_trusted(&profile, arguments.force_untrusted)?;
    let host = this_host::discover()?;
    host.require_real()?;
    let mut table_plan = table_plan(arguments, &profile)?;
    let source = arguments.model.required()?;
    let plan = chosen_plan::plan(&plan_arguments(arguments), &host)?;
    let interrupt = interrupt::install()?;
    let progress = Terminal::to_stderr();
    let engine = source.open(plan, Precision::default(), &host.topology, &progress)?;
    check_model(&profile, engine.info())?;
    check_prompt(table_plan.prompt_tokens, engine.info().context_length)?;
    for line in table_plan.cut_to_context(engine.info().context_length) {
        eprintln!("{line}");
    }
    let recorded = Side {
        name: arguments.profile.display().to_string(),
        ..Side::of_profile(&profile)?
    };
    let mut data = TableData::default();
    let plan = engine.plan().clone();
    let mut probe = EngineProbe::new(
        engine,
        &host.topology,
        &interrupt,
        table_plan.longest_tokens(),
    );
    let started = Instant::now();
    let clock = || started.elapsed().as_secs_f64();
    let mut sink = Nowhere;
    let mut session = Session::new(&mut probe, &mut sink, &progress, &interrupt, &clock);
    session.stage = Stage::Table;
    let halted = measure_twice(
        &mut session,
        Task {
            plan: &plan,
            table: &table_plan,
            speed: &speed(&profile),
            until: None,
        },
        &recorded,
        &mut data,
    );
    let discarded = session.retries.discarded();
    progress.finish();
    match halted {
        Ok(()) => {}
        Err(Halt::Interrupted) => return Ok(Ending::Interrupted),
        Err(other) => return Err(other.into()),
    }
    let now = Side {
        name: "measured just now".into(),
        ..Side::of_table(&data)?
    };
    let found = Findings::of(&recorded, &now, &profile.evidence, &data);
    let (holds, why) = found.conclusion();
    match arguments.json {
        true => println!("{}", json(&recorded, &now, &found)),
        false => {
            let words = found.rates.iter().map(Finding::words).collect();
            let names = ["recorded", "now"];
            println!("{}", text([&recorded, &now], names, &found.judged, words));
        }
    }
    if discarded > 0 {
        eprintln!(
            "{discarded} samples were thrown away: the host was throttled or busy with other things"
        );
    }
    if !holds {
        bail!("{why}");
    }
    if !arguments.json {
        println!("{why}");
    }
    Ok(Ending::Complete)
}

/// Measures the table, and once more what seems slower: a slow minute is no slow plan.
fn measure_twice(
    session: &mut Session<'_>,
    task: Task<'_>,
    recorded: &Side,
    data: &mut TableData,
) -> Result<(), Halt> {
    measured_table::measure(session, task, data)?;
    let now = Side::of_table(data).map_err(|error| Halt::Failed(error.to_string()))?;
    let judged = judge(recorded, &now);
    let seems = |row: &&Row| row.comparison.verdict(ALPHA_SEEMS) == Verdict::Slower;
    let of_kind = |phase: Phase, sampled: bool| -> Vec<usize> {
        let rows = judged.rows.iter().filter(seems);
        rows.filter(|row| row.key.0 == phase && row.sampled.contains(&true) == sampled)
            .map(|row| row.key.1)
            .collect()
    };
    let (decode, sampled) = (of_kind(Phase::Decode, false), of_kind(Phase::Decode, true));
    let prefill = of_kind(Phase::Prefill, false);
    if decode.is_empty() && sampled.is_empty() && prefill.is_empty() {
        return Ok(());
    }
    session
        .progress
        .note("some lengths seem slower: measuring these again");
    let sampling = task.table.sampling.clone().filter(|_| !sampled.is_empty());
    let again = TablePlan {
        decode_lengths: decode,
        prefill_lengths: prefill,
        repeat: AGAIN * task.table.repeat,
        sampling: sampling.map(|sampling| Sampling {
            lengths: sampled,
            ..sampling
        }),
        ..task.table.clone()
    };
    let again = Task {
        table: &again,
        ..task
    };
    measured_table::measure(session, again, data).map(|_| ())
}

fn plan_arguments(arguments: &VerifyArgs) -> PlanArgs {
    PlanArgs {
        profile: Some(arguments.profile.clone()),
        force_profile: arguments.force_profile,
        force_untrusted: arguments.force_untrusted,
        threads: None,
        cpus: None,
        kernels: Vec::new(),
        file: FileArgs::default(),
    }
}

/// Rates of another model's shape are not this profile's.
fn check_model(profile: &Profile, info: &EngineInfo) -> anyhow::Result<()> {
    if profile.model.fingerprint == info.fingerprint {
        return Ok(());
    }
    bail!(
        "the profile was measured with {} ({}), and this is {} ({}); name that model",
        profile.model.name,
        profile.model.fingerprint,
        info.name,
        info.fingerprint
    )
}

#[cfg(test)]
mod tests;
