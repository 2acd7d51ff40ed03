//! Which plan is run: command line over environment over profile over default, as a pure function.
//!
//! Threads and CPUs are decided one after the other. The highest source that says anything about
//! threads decides their number; a CPU list without a thread count says "one thread per CPU". The
//! highest source with a CPU list decides the CPUs, and workers take its entries in order, as
//! libgomp does. Where nobody says which CPUs, threads go where no other process is pinned, or stay
//! unpinned ([`sysinfer_machine::seats`]). Where weights are, and whether the file stays in the page
//! cache, follows the same order. Whatever is overridden leaves a line for the log.

mod notes;

pub use notes::compressed;

use std::fmt::{self, Display, Formatter};

use sysinfer_engine::{MemoryPlan, PhasePlan, Plan, WeightStorage, untuned_threads};
use sysinfer_machine::{CpuList, MapPolicy, Neighbours, Picked, Topology, Why};

use crate::environment::{KEEP_FILE_CACHE, WEIGHTS};

/// What the command line or the environment asks for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Threads of both phases.
    pub threads: Option<usize>,
    /// CPUs of both phases, in worker order.
    pub cpus: Option<CpuList>,
    /// Where weights are.
    pub weights: Option<WeightStorage>,
    /// Whether the model file stays in the page cache.
    pub keep_file_cache: Option<bool>,
}

/// Everything that has a say.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--threads`, `--cpus`, `--weights` and `--keep-file-cache`.
    pub command: Asked,
    /// `OMP_NUM_THREADS`, `GOMP_CPU_AFFINITY`, `SYSINFER_WEIGHTS` and `SYSINFER_KEEP_FILE_CACHE`.
    pub environment: Asked,
    /// `OMP_PROC_BIND=false`.
    pub binding_off: bool,
    /// The plan of the profile, if one was given and is to be run.
    pub profile: Option<Plan>,
    /// What a profile asks for of memory whose plan is not run: wishes, which nobody measured.
    pub memory: Option<MemoryPlan>,
}

/// The plan and how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanChoice {
    /// What to run.
    pub plan: Plan,
    /// One line per override, and where threads went.
    pub notes: Vec<String>,
    /// What costs speed, and its remedy.
    pub warnings: Vec<String>,
    /// CPUs that were chosen because nobody else works on them.
    pub free: Vec<usize>,
}

impl PlanChoice {
    /// The choice with the CPUs that it needs, to claim them.
    pub fn picked(self) -> Picked<PlanChoice> {
        let mut cpus = self.plan.decode.cpus.clone();
        cpus.extend(&self.plan.prefill.cpus);
        cpus.sort_unstable();
        cpus.dedup();
        let free = self.free.clone();
        Picked {
            value: self,
            cpus,
            free,
        }
    }
}

/// Why no plan could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanChoiceError {
    /// A CPU that this process may not use.
    #[error(
        "CPU {cpu} from {source_name} is not one that this process may use; allowed: {allowed}"
    )]
    Cpu {
        /// OS index.
        cpu: usize,
        /// Who named it.
        source_name: &'static str,
        /// The allowed ones, in `taskset -c` form.
        allowed: String,
    },
    /// Numbers out of range, in a profile or as a consequence of an override.
    #[error(transparent)]
    Plan(#[from] sysinfer_engine::PlanError),
}

/// A value and who said it.
struct Said<T> {
    value: T,
    by: &'static str,
}

/// Those of the sources that say anything, in their order.
fn all_said<T, const N: usize>(sources: [(Option<T>, &'static str); N]) -> Vec<Said<T>> {
    let said = sources.into_iter();
    said.filter_map(|(value, by)| Some(Said { value: value?, by }))
        .collect()
}

/// Where the CPUs of the threads come from.
enum Binding {
    List(CpuList),
    Off,
}

impl Display for Binding {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Binding::List(list) => list.fmt(formatter),
            Binding::Off => formatter.write_str("unpinned"),
        }
    }
}

/// Decides the plan. `effective_cpus` is what quota and cpuset leave, `neighbours` who else is pinned.
///
/// # Errors
/// [`PlanChoiceError`] for CPUs that are not there and numbers out of range.
pub fn choose(
    sources: &Sources,
    topology: &Topology,
    effective_cpus: usize,
    neighbours: &Neighbours,
) -> Result<PlanChoice, PlanChoiceError> {
    let untuned = |threads| PhasePlan::untuned(topology, threads, neighbours);
    let (mut plan, base) = match &sources.profile {
        Some(plan) => (plan.clone(), "the profile"),
        None => {
            let threads = untuned_threads(topology, effective_cpus);
            (
                Plan::untuned(topology, threads, neighbours).0,
                "the default",
            )
        }
    };
    let mut notes = Vec::new();
    let tuned = both(plan.decode.threads, plan.prefill.threads);
    let threads = first_said("threads", threads_said(sources), (tuned, base), &mut notes);
    let tuned = both(cpus_text(&plan.decode), cpus_text(&plan.prefill));
    let binding = first_said("CPUs", bindings_said(sources), (tuned, base), &mut notes);
    let asked = Wishes {
        threads: threads.as_ref().map(|said| said.value),
        binding: binding.as_ref().map(|said| &said.value),
        is_tuned: sources.profile.is_some(),
    };
    let whys = [&mut plan.decode, &mut plan.prefill].map(|team| asked.apply(team, untuned));
    let source_name = binding.as_ref().map_or(base, |said| said.by);
    for phase in [&plan.decode, &plan.prefill] {
        check_cpus(phase, source_name, topology)?;
    }
    let base = match &sources.memory {
        Some(memory) => {
            plan.memory = memory.clone();
            "the profile"
        }
        None => base,
    };
    let planned = (plan.memory.weights.to_string(), base);
    if let Some(said) = first_said("weights", weights_said(sources), planned, &mut notes) {
        plan.memory.weights = said.value;
    }
    let planned = (plan.memory.keep_file_cache.to_string(), base);
    let said = file_cache_said(sources);
    if let Some(said) = first_said("file cache is kept", said, planned, &mut notes) {
        plan.memory.keep_file_cache = said.value;
    }
    plan.validate()?;
    let (mut warnings, mut free) = (Vec::new(), Vec::new());
    let teams = if plan.prefill == plan.decode { 1 } else { 2 };
    let teams = [&plan.decode, &plan.prefill].into_iter().take(teams);
    for (team, why) in teams.zip(&whys) {
        warnings.extend(notes::crowding(team, topology, effective_cpus));
        match why {
            Some(why @ (Why::Alone | Why::Beside(_))) => {
                free.extend(&team.cpus);
                notes.extend(notes::choice(team, why, topology));
            }
            Some(why @ (Why::Crowded(_) | Why::Blind(_))) => {
                notes.extend(notes::choice(team, why, topology));
            }
            Some(Why::EveryCore | Why::NoRoom) | None => {
                warnings.extend(notes::shared(team, source_name, neighbours));
            }
        }
        if why.is_none() && binding.is_none() {
            notes.extend(notes::unseen(team, source_name, neighbours, topology));
        }
    }
    Ok(PlanChoice {
        plan,
        notes,
        warnings,
        free,
    })
}

/// Thread counts in order of precedence.
fn threads_said(sources: &Sources) -> Vec<Said<usize>> {
    let listed = |list: &Option<CpuList>| list.as_ref().map(distinct);
    let environment_list = if sources.binding_off {
        None
    } else {
        listed(&sources.environment.cpus)
    };
    let said = [
        (sources.command.threads, "--threads"),
        (listed(&sources.command.cpus), "--cpus"),
        (sources.environment.threads, "OMP_NUM_THREADS"),
        (environment_list, "GOMP_CPU_AFFINITY"),
    ];
    all_said(said)
}

/// CPU lists in order of precedence. `OMP_PROC_BIND=false` stands over `GOMP_CPU_AFFINITY`, as in
/// libgomp.
fn bindings_said(sources: &Sources) -> Vec<Said<Binding>> {
    let listed = |list: &Option<CpuList>| list.clone().map(Binding::List);
    let said = [
        (listed(&sources.command.cpus), "--cpus"),
        (
            sources.binding_off.then_some(Binding::Off),
            "OMP_PROC_BIND=false",
        ),
        (listed(&sources.environment.cpus), "GOMP_CPU_AFFINITY"),
    ];
    all_said(said)
}

/// Storages of weights in order of precedence.
fn weights_said(sources: &Sources) -> Vec<Said<WeightStorage>> {
    let said = [
        (sources.command.weights, "--weights"),
        (sources.environment.weights, WEIGHTS),
    ];
    all_said(said)
}

/// Whether the model file stays in the page cache, in order of precedence.
fn file_cache_said(sources: &Sources) -> Vec<Said<bool>> {
    let said = [
        (sources.command.keep_file_cache, "--keep-file-cache"),
        (sources.environment.keep_file_cache, KEEP_FILE_CACHE),
    ];
    all_said(said)
}

/// Takes the highest of `said`, and notes what it stands over where that differs, down to the base
/// plan: its text, and what to call it.
fn first_said<T: Display>(
    subject: &str,
    said: Vec<Said<T>>,
    base: (String, &'static str),
    notes: &mut Vec<String>,
) -> Option<Said<T>> {
    let mut texts = said.iter().map(|said| (said.value.to_string(), said.by));
    let (first, by) = texts.next()?;
    let over = texts.chain([base]).filter(|(text, _)| *text != first);
    let over: String = over
        .map(|(text, by)| format!(", over {text} from {by}"))
        .collect();
    notes.push(format!("{subject}: {first} from {by}{over}"));
    said.into_iter().next()
}

/// What is asked of both phases.
struct Wishes<'a> {
    threads: Option<usize>,
    binding: Option<&'a Binding>,
    /// Whether the plan is of a profile, whose CPUs were measured.
    is_tuned: bool,
}

impl Wishes<'_> {
    /// Changes one phase as asked; what decided its CPUs, where nobody named them.
    fn apply(
        &self,
        phase: &mut PhasePlan,
        untuned: impl Fn(usize) -> (PhasePlan, Why),
    ) -> Option<Why> {
        let threads = self.threads.unwrap_or(phase.threads);
        match self.binding {
            Some(Binding::List(list)) => {
                let cpus = list.assign(threads);
                *phase = PhasePlan {
                    threads,
                    map: MapPolicy::Given.name().into(),
                    cpus,
                };
            }
            Some(Binding::Off) => *phase = PhasePlan::unpinned(threads),
            None if self.is_tuned && phase.cpus.is_empty() => phase.threads = threads,
            None if self.is_tuned && threads <= phase.cpus.len() => {
                phase.cpus.truncate(threads);
                phase.threads = threads;
            }
            None => {
                let (team, why) = untuned(threads);
                *phase = team;
                return Some(why);
            }
        }
        None
    }
}

fn check_cpus(
    phase: &PhasePlan,
    source_name: &'static str,
    topology: &Topology,
) -> Result<(), PlanChoiceError> {
    match phase.cpus.iter().find(|cpu| topology.cpu(**cpu).is_none()) {
        None => Ok(()),
        Some(&cpu) => {
            let mut allowed: Vec<usize> = topology.cpus.iter().map(|cpu| cpu.id).collect();
            allowed.sort_unstable();
            Err(PlanChoiceError::Cpu {
                cpu,
                source_name,
                allowed: compressed(&allowed),
            })
        }
    }
}

fn distinct(list: &CpuList) -> usize {
    let mut cpus = list.as_slice().to_vec();
    cpus.sort_unstable();
    cpus.dedup();
    cpus.len()
}

fn cpus_text(phase: &PhasePlan) -> String {
    if phase.cpus.is_empty() {
        "unpinned".into()
    } else {
        compressed(&phase.cpus)
    }
}

fn both<T: Display + PartialEq>(decode: T, prefill: T) -> String {
    if decode == prefill {
        decode.to_string()
    } else {
        format!("{decode} (decode) and {prefill} (prefill)")
    }
}

#[cfg(test)]
mod tests;
