//! A described host with a model on it: who works there, how fast a core is, what a barrier costs.

use sysinfer_engine::{ModelShape, PhasePlan, Plan};
use sysinfer_machine::Topology;

use super::crew::{Crew, Layout};
use super::description::Description;
use super::kernel_rate::KernelRate;

/// Exponent of [`overlapped`]: at equal parts a phase takes 12 % longer than either.
const OVERLAP: f64 = 6.0;
/// A described host that runs one model.
pub struct Machine {
    /// Its numbers.
    pub description: Description,
    /// Its CPUs.
    pub topology: Topology,
    /// The model.
    pub shape: ModelShape,
    pub(super) layout: Layout,
}

impl Machine {
    /// Puts host and model together.
    pub fn new(description: Description, topology: Topology, shape: ModelShape) -> Machine {
        let layout = Layout::new(&topology);
        Machine {
            description,
            topology,
            shape,
            layout,
        }
    }

    pub(super) fn check(&self, plan: &Plan) -> Result<(), String> {
        plan.validate().map_err(|error| error.to_string())?;
        for (block, choice) in &plan.kernels {
            for name in [&choice.decode, &choice.prefill].into_iter().flatten() {
                let known = |kernel: &&KernelRate| kernel.name == *name && kernel.block == *block;
                if !self.description.kernels.iter().any(|kernel| known(&kernel)) {
                    return Err(format!(
                        "the simulated host has no kernel {name} for {block}"
                    ));
                }
            }
        }
        Ok(())
    }

    pub(super) fn crew(&self, team: &PhasePlan) -> Result<Crew, String> {
        Crew::new(team, &self.layout, &self.description)
    }

    /// Rate of a worker over that of a core of its own at the clock that rates are given for: the
    /// clock falls as cores get busy, and two threads of a core share its units.
    pub(super) fn core_factor(&self, crew: &Crew, worker: usize) -> f64 {
        self.clock_factor(crew) * self.smt_factor(crew.sharers[worker])
    }

    fn smt_factor(&self, sharers: usize) -> f64 {
        match sharers {
            1 => 1.0,
            _ => self.description.compute.smt_gain / sharers as f64,
        }
    }

    fn clock_factor(&self, crew: &Crew) -> f64 {
        let compute = &self.description.compute;
        let (busy, all) = crew.busy_cores;
        let share = busy.saturating_sub(1) as f64 / all.saturating_sub(1).max(1) as f64;
        1.0 - share * (1.0 - compute.clock_all_cores_ghz / compute.clock_ghz)
    }

    pub(super) fn barrier_seconds(&self, crew: &Crew) -> f64 {
        let barrier = &self.description.barrier;
        if crew.threads() < 2 {
            return 0.0;
        }
        let doublings = (crew.threads() as f64).log2();
        let (nodes, packages) = (crew.nodes_used - 1, crew.packages_used - 1);
        let across = nodes as f64 * barrier.per_node_us + packages as f64 * barrier.per_package_us;
        1e-6 * (barrier.base_us + doublings * barrier.per_doubling_us + across)
    }
}

/// Time of things that overlap: the longest, and more where others are nearly as long.
pub(super) fn overlapped(parts: &[f64]) -> f64 {
    let longest = parts.iter().copied().fold(0.0, f64::max);
    if longest <= 0.0 {
        return 0.0;
    }
    let sum: f64 = parts
        .iter()
        .map(|part| (part / longest).powf(OVERLAP))
        .sum();
    longest * sum.powf(1.0 / OVERLAP)
}
