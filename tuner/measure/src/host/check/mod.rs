//! The host check: what can be said about a host before it is measured, and what about it costs
//! speed, with a remedy for each. Nothing here measures a model or fails: what cannot be read is
//! "unknown".
//!
//! Readers take a [`Root`], so that hosts are tested on recorded trees of /proc and /sys.

mod cores;
mod memory;
mod neighbours;
mod processors;
mod root;
mod surroundings;

use std::time::{Duration, Instant};

use serde::Serialize;
use sysinfer_machine::{CpuList, Topology};
use sysinfer_probe::Finding;

use super::Host;
pub use cores::{InstructionSets, sve_words};
pub use root::Root;

/// What stands for a fact that cannot be read.
const UNKNOWN: &str = "unknown";

/// Something about the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What it is about.
    pub name: &'static str,
    /// What was read, or "unknown".
    pub value: String,
}

/// All that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Check {
    /// In a fixed order.
    pub facts: Vec<Fact>,
    /// What costs speed; empty on a host in order.
    pub findings: Vec<Finding>,
}

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

    fn fact(&mut self, name: &'static str, value: impl Into<String>) {
        let value = value.into();
        self.facts.push(Fact { name, value });
    }

    /// A fact, or that it is unknown.
    fn fact_or_unknown(&mut self, name: &'static str, value: Option<String>) {
        self.fact(name, value.unwrap_or_else(|| UNKNOWN.into()));
    }

    fn finding(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        let (what, remedy) = (what.into(), remedy.into());
        self.findings.push(Finding { what, remedy });
    }
}

fn topology_text(topology: &Topology) -> String {
    format!("{} (from {})", topology.summary(), topology.source)
}

/// `0-3,8`
fn list_text(numbers: &[usize]) -> String {
    CpuList::new(numbers.to_vec()).map_or_else(|_| format!("{numbers:?}"), |list| list.to_string())
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
