//! One simulated host: its true best plans, and runs of the search on it.

use std::cell::Cell;

use anyhow::anyhow;
use rayon::prelude::*;
use sysinfer_engine::{ModelShape, Plan, Precision};
use sysinfer_measure::source;
use sysinfer_probe::{Halt, Interrupt, Nowhere, Phase, Session, Silent, Work};
use sysinfer_search::confirm::Confirmation;
use sysinfer_search::space::asked::Asked;
use sysinfer_search::space::blocking::Limits;
use sysinfer_search::space::kernels::KernelSpace;
use sysinfer_search::space::placement;
use sysinfer_search::space::placement::{Request, TeamSpace};
use sysinfer_search::space::product::Product;
use sysinfer_search::staged::Log;
use sysinfer_search::{Effort, Inputs, Level, confirm, staged, works};

use crate::{Machine, SimulatedHost, SimulatedProbe};

/// Prompt and total length of the decode run that plans are judged by.
const PROMPT_TOKENS: usize = 16;
const DECODE_TOKENS: usize = 1024;
/// Prompt that they are judged by.
const PREFILL_TOKENS: usize = 512;
/// Longest length of the table that the search is told of.
const MAX_TOKENS: usize = 4096;

/// True rates of a plan in the two phases, tokens/s, decode first.
pub type Rates = [f64; 2];

/// A host, its model, and what is true of them.
pub struct Subject {
    host: SimulatedHost,
    machine: Machine,
    kernels: KernelSpace,
    default: Plan,
    teams: TeamSpace,
    /// True rates of the default plan.
    pub default_rates: Rates,
    /// The best true rates of all plans that the search may end with.
    pub best_rates: Rates,
    /// Names of those plans.
    pub best_names: [String; 2],
    /// Combinations of both phases.
    pub combinations: usize,
    /// Samples of `--exhaustive`: every combination in as many rounds as a race may have.
    pub exhaustive_samples: usize,
}

/// One run of the search.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Number of the run, which is its seed.
    pub run: usize,
    /// True rates of the chosen plan.
    pub rates: Rates,
    /// The chosen teams, and what else was chosen.
    pub names: [String; 2],
    /// Samples taken until the decision, those thrown away included.
    pub samples: usize,
    /// Virtual time until the decision, seconds.
    pub seconds: f64,
}

impl Subject {
    /// Finds out what is true of a host.
    ///
    /// # Errors
    /// A preset that does not exist, or a default plan that cannot run.
    pub fn new(host: SimulatedHost) -> anyhow::Result<Subject> {
        let preset = source::preset(&host.description.study_model)?;
        let machine = host.machine(ModelShape::of_preset(preset, Precision::default())?);
        let info = &machine.shape.info;
        let kernels = host.kernels(&info.block_types);
        let default = host.default_plan(&info.block_types);
        let teams = placement::teams(&request(&host));
        let default_rates = rates(&machine, &default)?;
        let mut subject = Subject {
            host,
            machine,
            kernels,
            default,
            teams,
            default_rates,
            best_rates: default_rates,
            best_names: [String::new(), String::new()],
            combinations: 0,
            exhaustive_samples: 0,
        };
        let decode = subject.best(Phase::Decode, &subject.default.clone());
        // Weights lie where the decode team is, so the best for prompts depends on it.
        let prefill = subject.best(Phase::Prefill, &decode.plan);
        let other = subject.best(Phase::Prefill, &subject.default.clone());
        let prefill = if other.rate > prefill.rate {
            other
        } else {
            prefill
        };
        subject.combinations = decode.combinations + prefill.combinations;
        subject.exhaustive_samples = subject.combinations * effort().rounds;
        subject.best_rates = [decode.rate, prefill.rate];
        subject.best_names = [
            name(&decode.plan, Phase::Decode),
            name(&prefill.plan, Phase::Prefill),
        ];
        Ok(subject)
    }

    /// Name of the host.
    pub fn name(&self) -> &str {
        &self.host.description.name
    }

    /// The model that ran on it.
    pub fn model(&self) -> &str {
        &self.host.description.study_model
    }

    /// What its numbers rest on.
    pub fn description(&self) -> String {
        self.host.description.description.trim().replace('\n', " ")
    }

    /// Runs the search `runs` times, on as many threads as there are CPUs. Every run has noise of its own by
    /// its number, so that results do not depend on threads.
    ///
    /// # Errors
    /// A search that failed.
    pub fn run(&self, runs: usize) -> anyhow::Result<Vec<Trial>> {
        (0..runs)
            .into_par_iter()
            .map(|run| self.trial(run))
            .collect()
    }

    fn trial(&self, run: usize) -> anyhow::Result<Trial> {
        let time = Cell::new(0.0);
        let mut probe = SimulatedProbe::new(&self.machine, 1 + run as u64, &time);
        let found = self
            .search(&mut probe, &time)
            .map_err(|halt| anyhow!("{}, run {run}: {halt}", self.name()))?;
        Ok(Trial {
            run,
            rates: rates(&self.machine, &found.plan)?,
            names: [
                name(&found.plan, Phase::Decode),
                name(&found.plan, Phase::Prefill),
            ],
            samples: probe.runs,
            seconds: time.get(),
        })
    }

    /// The search as the command runs it with its usual effort.
    fn search(
        &self,
        probe: &mut SimulatedProbe<'_>,
        time: &Cell<f64>,
    ) -> Result<Confirmation, Halt> {
        let (progress, interrupt, mut sink) = (Silent, Interrupt::default(), Nowhere);
        let clock = || time.get();
        let mut session = Session::new(probe, &mut sink, &progress, &interrupt, &clock);
        let inputs = Inputs {
            default: &self.default,
            teams: &self.teams,
            request: request(&self.host),
            kernels: &self.kernels,
            blocks: &Asked::default(),
            exhaustive: false,
            info: &self.machine.shape.info,
            l2_bytes: self.host.host.topology.caches.l2_bytes,
            prompt_tokens: PROMPT_TOKENS,
            longest_tokens: MAX_TOKENS,
            effort: effort(),
        };
        let works = works::calibrate(&mut session, &inputs)?;
        let tuned = staged::search(&mut session, &inputs, &works, &mut Log::default())?;
        let limits = confirm::Limits {
            rounds: inputs.effort.confirm_rounds,
            until: inputs.effort.confirm_until,
        };
        confirm::confirm(&mut session, &self.default, &tuned, &works, limits)
    }

    /// The truly best plan of one phase, of every combination.
    fn best(&self, phase: Phase, base: &Plan) -> Best {
        let teams = placement::all_teams(&request(&self.host));
        let product = Product {
            base,
            teams: &teams,
            kernels: &self.kernels,
            limits: Limits {
                l2_bytes: self.host.host.topology.caches.l2_bytes,
                columns: self.machine.shape.info.embedding_length,
                prompt_tokens: PREFILL_TOKENS,
            },
            asked: &Asked::default(),
        };
        let mut best = Best {
            plan: base.clone(),
            rate: 0.0,
            combinations: 0,
        };
        product.each(phase, &mut |candidate| {
            best.combinations += 1;
            // What cannot run is not the best.
            let rate = rate(&self.machine, &candidate.plan, phase).unwrap_or(0.0);
            if rate > best.rate {
                (best.plan, best.rate) = (candidate.plan, rate);
            }
        });
        best
    }
}

struct Best {
    plan: Plan,
    rate: f64,
    combinations: usize,
}

/// That of a command without flags.
fn effort() -> Effort {
    let level = Level::Usual;
    Effort::new(level, level.limit_seconds())
}

fn request(host: &SimulatedHost) -> Request<'_> {
    Request {
        topology: &host.host.topology,
        effective_cpus: host.host.effective_cpus,
        threads: None,
        maps: None,
        given: None,
    }
}

fn rate(machine: &Machine, plan: &Plan, phase: Phase) -> Result<f64, String> {
    let work = match phase {
        Phase::Decode => Work::Decode {
            prompt_tokens: PROMPT_TOKENS,
            lengths: vec![DECODE_TOKENS],
        },
        Phase::Prefill => Work::Prefill {
            tokens: PREFILL_TOKENS,
        },
    };
    machine.true_rate(plan, &work)
}

fn rates(machine: &Machine, plan: &Plan) -> anyhow::Result<Rates> {
    let of = |phase| rate(machine, plan, phase).map_err(anyhow::Error::msg);
    Ok([of(Phase::Decode)?, of(Phase::Prefill)?])
}

/// What a plan has for one phase, in a few words.
fn name(plan: &Plan, phase: Phase) -> String {
    let team = plan.team(phase);
    let kernels = plan.kernels.values();
    let kernels: Vec<&str> = kernels.filter_map(|choice| choice.of(phase)).collect();
    let blocking = &plan.blocking;
    let sizes = match phase {
        Phase::Decode => format!(
            "prefetch={} attention={}",
            blocking.prefetch_bytes, blocking.attention_chunk
        ),
        Phase::Prefill => format!(
            "rows={} chunk={}",
            blocking.prefill_rows, blocking.prefill_chunk
        ),
    };
    format!(
        "{} {} {sizes} {}",
        team.threads,
        team.map,
        kernels.join(" ")
    )
}
