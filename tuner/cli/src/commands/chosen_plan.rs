//! The plan of the commands that do not search: from a profile, or from counts and names on the
//! command line.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use sysinfer_engine::{Engine, PhasePlan, Plan};
use sysinfer_kernels::{Kernel, table};
use sysinfer_machine::{CpuList, MapPolicy};
use sysinfer_measure::host::Host;
use sysinfer_profiles::trust::NOT_TO_BE_TRUSTED;
use sysinfer_profiles::{HostMatch, Profile, matching};
use sysinfer_search::space::{placement, rules};

use crate::model_arguments::FileArgs;

/// How a model is run where there is no search.
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// Plan to measure [default: one thread per core, compact]
    #[arg(long, value_name = "PROFILE.toml", conflicts_with_all = ["threads", "cpus"])]
    pub profile: Option<PathBuf>,
    /// Use the profile although it was made on another host
    #[arg(long, requires = "profile")]
    pub force_profile: bool,
    /// Use the profile although its run is not to be trusted
    #[arg(long, requires = "profile")]
    pub force_untrusted: bool,
    /// Threads of both phases [default: cores that may be used]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub threads: Option<u16>,
    /// CPUs of the threads, in the form of GOMP_CPU_AFFINITY
    #[arg(long, value_name = "GOMP_LIST")]
    pub cpus: Option<CpuList>,
    /// Kernel for its block type and phase, instead of the plan's; may be given several times
    /// [default: the plan's, else the best for this CPU]
    #[arg(long = "kernel", value_name = "NAME")]
    pub kernels: Vec<String>,
    /// What becomes of the file.
    #[command(flatten)]
    pub file: FileArgs,
}

/// The plan that the arguments describe.
///
/// # Errors
/// A profile that cannot be read or is of another host, CPUs that are not there, a kernel that does
/// not exist.
pub fn plan(arguments: &PlanArgs, host: &Host) -> anyhow::Result<Plan> {
    let mut plan = match &arguments.profile {
        Some(path) => profile_plan(&Profile::load(path)?, arguments, host)?,
        None => untuned(arguments, host)?,
    };
    let most = plan.decode.threads.max(plan.prefill.threads);
    host.surplus(most)
        .iter()
        .for_each(|line| eprintln!("{line}"));
    for name in &arguments.kernels {
        let kernel = kernel(name)?;
        let choice = plan.kernels.entry(kernel.block.name().into()).or_default();
        *choice.of_mut(kernel.phase) = Some(name.clone());
    }
    plan.memory.keep_file_cache |= arguments.file.keep_file_cache;
    plan.memory.weights = arguments.file.weights.unwrap_or(plan.memory.weights);
    Ok(plan)
}

/// Refuses kernels that were asked for and that the loaded model has no use for.
///
/// # Errors
/// Names the kernel and the block types that the model has.
pub fn check_kernels(arguments: &PlanArgs, engine: &Engine) -> anyhow::Result<()> {
    let running = &engine.plan().kernels;
    let idle = arguments.kernels.iter().find(|name| {
        let mut chosen = running.values();
        !chosen.any(|choice| {
            [&choice.decode, &choice.prefill]
                .into_iter()
                .flatten()
                .any(|running| running == *name)
        })
    });
    let Some(name) = idle else {
        return Ok(());
    };
    let types: Vec<&str> = running.keys().map(String::as_str).collect();
    bail!(
        "--kernel {name}: no kernel of that name runs, since the matrices are of other types: {}; \
         a kernel given twice for one type and phase counts once, the last",
        types.join(", ")
    )
}

fn kernel(name: &str) -> anyhow::Result<&'static Kernel> {
    let found = table::named(name);
    found.with_context(|| {
        let all = table::all().filter(|kernel| kernel.isa.detected());
        let names: Vec<&str> = all.map(|kernel| kernel.name).collect();
        format!(
            "--kernel {name}: there is none of that name; this CPU runs {}",
            names.join(", ")
        )
    })
}

/// The plan of an untuned host, with the team that the arguments name.
fn untuned(arguments: &PlanArgs, host: &Host) -> anyhow::Result<Plan> {
    Ok(match (&arguments.cpus, arguments.threads) {
        (Some(list), threads) => {
            let threads = threads.map_or(list.as_slice().len(), usize::from);
            rules::given_covers(list, threads, &host.topology).map_err(anyhow::Error::msg)?;
            Plan::with_threads(PhasePlan {
                threads,
                map: MapPolicy::Given.name().into(),
                cpus: list.assign(threads),
            })
        }
        (None, Some(threads)) => {
            // Neighbours have no say: figures of one command line are of one plan.
            placement::alone(&host.topology, threads.into())
        }
        (None, None) => placement::default_plan(&host.topology, host.effective_cpus),
    })
}

/// Refuses a profile whose run is not to be trusted; says it of one that is used all the same.
///
/// # Errors
/// The reason, and the remedy.
pub fn require_trusted(profile: &Profile, force: bool) -> anyhow::Result<()> {
    match profile.distrust() {
        Some(why) if !force => bail!(
            "the profile is {NOT_TO_BE_TRUSTED}: {why}; tune again on a quiet host, or add --force-untrusted"
        ),
        Some(why) => {
            eprintln!("the profile is {NOT_TO_BE_TRUSTED}: {why}; it is used by --force-untrusted");
            Ok(())
        }
        None => Ok(()),
    }
}

fn profile_plan(profile: &Profile, arguments: &PlanArgs, host: &Host) -> anyhow::Result<Plan> {
    let force = arguments.force_profile;
    if let HostMatch::Different(differences) = matching::check(profile, &host.info) {
        let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
        let lines = lines.join("\n  ");
        if !force {
            bail!("the profile is of another host:\n  {lines}\ntune again, or add --force-profile");
        }
        eprintln!("the profile is of another host:\n  {lines}");
    }
    require_trusted(profile, arguments.force_untrusted)?;
    matching::check_cpus(profile, &host.topology)?;
    Ok(profile.plan.clone())
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::Phase;
    use sysinfer_formats::TensorType;

    use super::*;
    use crate::this_host;

    fn arguments(kernels: &[&str]) -> PlanArgs {
        PlanArgs {
            profile: None,
            force_profile: false,
            force_untrusted: false,
            threads: Some(1),
            cpus: None,
            kernels: kernels.iter().map(|name| (*name).to_owned()).collect(),
            file: FileArgs::default(),
        }
    }

    #[test]
    fn kernels_go_to_their_type_and_phase() {
        let host = this_host::discover().expect("this host has a topology");
        let first = |role| {
            let mut all = table::candidates(TensorType::Q4_0, role);
            all.next().expect("a kernel").kernel().name
        };
        let (decode, prefill) = (first(Phase::Decode), first(Phase::Prefill));
        let plan = plan(&arguments(&[prefill, decode]), &host).expect("both exist");
        let choice = &plan.kernels["Q4_0"];
        assert_eq!(choice.decode.as_deref(), Some(decode));
        assert_eq!(choice.prefill.as_deref(), Some(prefill));
        assert_eq!(plan.kernels.len(), 1);
    }

    #[test]
    fn counts_beyond_the_host_run_unpinned() {
        let host = this_host::discover().expect("this host has a topology");
        let threads = host.topology.cpus.len() + 1;
        let many = PlanArgs {
            threads: u16::try_from(threads).ok(),
            ..arguments(&[])
        };
        let plan = plan(&many, &host).expect("with a warning");
        assert_eq!(plan.decode, PhasePlan::unpinned(threads));
        assert!(host.surplus(threads).is_some());
    }

    #[test]
    fn a_kernel_that_does_not_exist_is_answered_with_those_that_do() {
        let host = this_host::discover().expect("this host has a topology");
        let message = plan(&arguments(&["fast"]), &host).expect_err("no such kernel");
        let message = format!("{message:#}");
        let known = table::candidates(TensorType::Q4_0, Phase::Decode).next();
        let known = known.expect("a kernel").kernel().name;
        assert!(
            message.contains("fast") && message.contains(known),
            "{message}"
        );
    }
}
