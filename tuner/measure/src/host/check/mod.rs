//! The host check: what can be said about a host before it is measured, and what about it costs
//! speed, with a remedy for each. Nothing here measures a model or fails: what cannot be read is
//! "unknown".
//!
//! Readers take a [`Root`], so that hosts are tested on recorded trees of /proc and /sys.

mod cores;
mod found;
mod memory;
mod neighbours;
mod processors;
mod root;
mod surroundings;

use std::time::{Duration, Instant};

use sysinfer_machine::Topology;

use super::Host;
pub use cores::{InstructionSets, sve_words};
pub use found::{Check, Fact};
pub use root::Root;

impl Check {
    /// Reads all there is below `root`; `sets` and `timer`, the step of its clock, are what this process
    /// finds out for itself.
    pub fn of(
        root: &Root,
        topology: &Topology,
        sets: &InstructionSets,
        timer: Option<Duration>,
    ) -> Self {
        let mut check = Self::default();
        check.fact("topology", topology_text(topology));
        if topology.source == "flat" {
            check.finding(
                "the topology is unknown, so threads cannot be placed by caches and memory nodes",
                "let the process read /sys/devices/system (mount it into the container)",
            );
        }
        cores::check(root, topology, sets, &mut check);
        processors::check(root, topology, &mut check);
        memory::check(root, topology, &mut check);
        neighbours::check(root, topology, &mut check);
        surroundings::check(root, topology, timer, &mut check);
        check
    }

    /// The host that runs this process.
    pub fn of_this_host(host: &Host) -> Self {
        let sets = InstructionSets::of_this_host(&host.info);
        Self::of(&Root::of_this_host(), &host.topology, &sets, timer_step())
    }
}

fn topology_text(topology: &Topology) -> String {
    format!("{} (from {})", topology.summary(), topology.source)
}

/// The smallest step that the clock of measurements was seen to make.
fn timer_step() -> Option<Duration> {
    let step = |_| {
        let before = Instant::now();
        let steps = (0..1_000_000).map(|_| before.elapsed());
        steps.into_iter().find(|step| !step.is_zero())
    };
    (0..100).filter_map(step).min()
}

#[cfg(test)]
mod tests;
