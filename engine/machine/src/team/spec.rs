//! What a team is asked to be, and what became of its pins: plain values.

use crate::Topology;

/// Whether members may spin while they wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpinPolicy {
    /// Spin where it cannot hurt: no more threads than effective CPUs, no CPU twice, no pin refused.
    #[default]
    Auto,
    /// Sleep at once.
    Never,
}

/// What team to make; a plain value.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TeamSpec<'t> {
    /// Members, the leader included; 1 to 4,096.
    pub threads: usize,
    /// The OS index of each member's CPU, one per thread; empty: do not pin. Must be CPUs of this
    /// host: never of a topology that is not ([`Topology::is_this_host`]).
    pub cpus: Vec<usize>,
    /// Where those CPUs are: members that share caches or a node meet first, and those of a node wait
    /// together. It changes how fast they meet and nothing else. `None`, or a CPU that is not in it:
    /// by number.
    pub topology: Option<&'t Topology>,
    /// Whether members may spin.
    pub spin: SpinPolicy,
    /// CPUs' worth of time that this process may use, from [`crate::effective_cpus`].
    pub effective_cpus: usize,
}

/// What became of pinning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinReport {
    /// No CPUs were given.
    NotAsked,
    /// Every member is on its CPU (the leader while it leads).
    AllPinned,
    /// Some members run wherever the system puts them.
    Refused {
        /// How many.
        workers: usize,
        /// Why, for the first of them.
        why: String,
    },
}
