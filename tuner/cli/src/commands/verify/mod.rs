//! `verify`: measures a profile's table again and says whether it still holds.
//!
//! Rates follow the bandwidth of memory, the arithmetic of cores and how fast these exchange data, which
//! other tenants of a host take their share of. So a length that is slower than recorded holds nevertheless
//! if it lost no more than one of these, measured in the same minutes: then the host is slower, not the
//! plan; a plan that lost less than that besides is found when the host is fast again. And rates drift from
//! minute to minute beyond what these explain; how much, the tuner saw and the profile says, so that what
//! lies within it is no loss. Where a loss of a tenth would hardly have shown, the last line says so. `plan`
//! says what is measured, `rates` puts both runs and the host beside each other, `shift` has the statistics,
//! `verdict` what follows for each rate, and `conclusion` for the profile.

mod conclusion;
mod judgement;
mod output;
mod plan;
mod rates;
mod shift;
mod verdict;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::bail;
use clap::Args;
use sysinfer_engine::{Engine, EngineInfo, Plan, Precision};
use sysinfer_measure::engine_probe::EngineProbe;
use sysinfer_measure::host::Host;
use sysinfer_probe::{Halt, Interrupt, Nowhere, Progress, Session, Stage};
use sysinfer_profiles::{Evidence, Profile};
use sysinfer_table::drift::Drift;
use sysinfer_table::{Sampling, Speed, TableData, TablePlan, table as measured_table};

use self::conclusion::conclusion;
use self::judgement::Judgement;
use self::output::{json, text};
use self::plan::{speed, table_plan};
use self::shift::{Z_ALL, Z_SEEMS};
use self::verdict::verdicts;
use crate::commands::chosen_plan::{self, PlanArgs};
use crate::model_arguments::{FileArgs, ModelArgs};
use crate::numbers::Numbers;
use crate::progress::Terminal;
use crate::tune::lengths::check_prompt;
use crate::{Ending, interrupt, report, this_host};

/// Lengths that seem slower get so many times as many runs more: one round of runs is enough to see
/// that a tenth is missing, and not to be sure.
const AGAIN: usize = 3;

const EXAMPLES: &str = "\
Examples:
  sysinfer-tune verify sysinfer-profile.toml model.gguf
  sysinfer-tune verify sysinfer-profile.toml model.gguf --quick
  sysinfer-tune verify sysinfer-profile.toml model.gguf --lengths 32,512 --repeat 9 --json
  sysinfer-tune verify host.toml --synthetic llama3-8b --quick

Exit code: 0 if the profile holds; 1 if not, or if that cannot be told, with the reason in the last line.";

/// Arguments of `verify`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// The profile
    #[arg(value_name = "PROFILE.toml")]
    pub profile: PathBuf,
    /// What to run.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Measure although the profile was made on another host
    #[arg(long)]
    pub force_profile: bool,
    /// Measure although the run that made the profile is not to be trusted
    #[arg(long)]
    pub force_untrusted: bool,
    /// Lengths of the profile to measure [default: all; sampled ones, and prompts beyond those that were
    /// decoded whole, if a pass over them takes less than a minute or so]
    #[arg(long, value_name = "LIST")]
    pub lengths: Option<Numbers>,
    /// Only lengths up to 256
    #[arg(long, conflicts_with = "lengths")]
    pub quick: bool,
    /// Runs; lengths that seem slower get three times as many more
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub repeat: u16,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// What was measured now.
#[derive(Default)]
struct Measured {
    data: TableData,
    bandwidth: Vec<f64>,
    discarded: usize,
}

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
    let mut measured = Measured::default();
    let halted = measure(
        engine,
        &host,
        &table_plan,
        (&profile, &mut measured),
        (&progress, &interrupt),
    );
    progress.finish();
    match halted {
        Ok(()) => {}
        Err(Halt::Interrupted) => return Ok(Ending::Interrupted),
        Err(other) => return Err(other.into()),
    }
    let roof = report::roof(&measured.bandwidth);
    let verdicts = verdicts(&profile.evidence, &measured.data, Z_ALL);
    let (holds, why) = conclusion(&verdicts, Drift::from(&profile.evidence));
    let recorded = profile
        .evidence
        .read_gb_per_second
        .filter(|roof| *roof > 0.0);
    let path = arguments.profile.display().to_string();
    match arguments.json {
        true => println!(
            "{}",
            json((path, &profile), &verdicts, (recorded, roof), (holds, &why))?
        ),
        false => print!(
            "{}",
            text(&profile, &verdicts, (recorded, roof), measured.discarded)
        ),
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
fn measure(
    engine: Engine,
    host: &Host,
    table_plan: &TablePlan,
    (profile, measured): (&Profile, &mut Measured),
    (progress, interrupt): (&dyn Progress, &Interrupt),
) -> Result<(), Halt> {
    let plan = engine.plan().clone();
    let mut probe = EngineProbe::new(
        engine,
        &host.topology,
        interrupt,
        table_plan.longest_tokens(),
    );
    let started = Instant::now();
    let clock = || started.elapsed().as_secs_f64();
    let mut sink = Nowhere;
    let mut session = Session::new(&mut probe, &mut sink, progress, interrupt, &clock);
    session.stage = Stage::Table;
    let speed = speed(profile);
    let outcome = twice(
        &mut session,
        &plan,
        table_plan,
        &speed,
        (&profile.evidence, &mut measured.data),
    );
    measured.bandwidth = session.bandwidth;
    measured.discarded = session.discarded;
    outcome
}

/// The table, and what seems slower in it again.
fn twice(
    session: &mut Session<'_>,
    plan: &Plan,
    table_plan: &TablePlan,
    speed: &Speed,
    (evidence, data): (&Evidence, &mut TableData),
) -> Result<(), Halt> {
    measured_table::measure(session, plan, table_plan, speed, (&mut *data, None))?;
    let seeming = verdicts(evidence, data, Z_SEEMS);
    let slower = seeming
        .iter()
        .filter(|found| found.holds == Judgement::Slower);
    let (mut decode, mut sampled, mut prefill) = (Vec::new(), Vec::new(), Vec::new());
    for found in slower {
        let list = match found.phase {
            "decode" if found.sampled => &mut sampled,
            "decode" => &mut decode,
            _ => &mut prefill,
        };
        list.push(found.total_tokens);
    }
    if decode.is_empty() && sampled.is_empty() && prefill.is_empty() {
        return Ok(());
    }
    let sampling = table_plan.sampling.clone().filter(|_| !sampled.is_empty());
    session
        .progress
        .note("some lengths seem slower: measuring these again");
    let again = TablePlan {
        decode_lengths: decode,
        prefill_lengths: prefill,
        repeat: AGAIN * table_plan.repeat,
        sampling: sampling.map(|sampling| Sampling {
            lengths: sampled,
            ..sampling
        }),
        ..table_plan.clone()
    };
    measured_table::measure(session, plan, &again, speed, (data, None)).map(|_| ())
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
