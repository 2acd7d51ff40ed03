//! A team on a simulated host: which cores and nodes its workers have, and what they share.

use sysinfer_engine::PhasePlan;
use sysinfer_machine::Topology;

use super::description::Description;

/// A step takes this many times as long when more threads are runnable than may run: all wait at
/// the barrier for the one that was stopped (a quota of 4 CPUs and 8 threads: 0.27 instead of 12
/// tokens/s, 45 times, ollama issue 17916).
pub const OVERCOMMIT_SLOWDOWN: f64 = 45.0;

/// A topology with what is looked up often.
pub struct Layout {
    /// Index of the node, core and package of a CPU, by its OS index; `None`: no such CPU.
    places: Vec<Option<Place>>,
    /// CPUs in the order in which the scheduler fills an idle host: a thread per core before second
    /// threads, nodes in turn.
    scheduler_order: Vec<Place>,
    cores: usize,
    /// Nodes of the host.
    pub nodes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    cpu: usize,
    core: usize,
    node: usize,
    package: usize,
}

impl Layout {
    /// Looks everything up once.
    pub fn new(topology: &Topology) -> Layout {
        let node_index = |id: usize| {
            topology
                .nodes
                .iter()
                .position(|node| node.id == id)
                .unwrap_or(0)
        };
        let most = topology.cpus.iter().map(|cpu| cpu.id).max().unwrap_or(0);
        let mut places = vec![None; most + 1];
        let mut ranked = Vec::new();
        for cpu in &topology.cpus {
            let place = Place {
                cpu: cpu.id,
                core: cpu.core,
                node: node_index(cpu.node),
                package: cpu.package,
            };
            places[cpu.id] = Some(place);
            let before = |p: &&(usize, usize, Place)| p.0 == cpu.smt && p.2.node == place.node;
            let rank_in_node = ranked.iter().filter(before).count();
            ranked.push((cpu.smt, rank_in_node, place));
        }
        ranked.sort_by_key(|(smt, rank, place)| (*smt, *rank, place.node));
        Layout {
            places,
            scheduler_order: ranked.into_iter().map(|(_, _, place)| place).collect(),
            cores: topology.cores(),
            nodes: topology.nodes.len(),
        }
    }
}

/// Where the workers of a team are.
pub struct Crew {
    /// Node of every worker, in worker order.
    pub nodes: Vec<usize>,
    /// Workers on the core of every worker, itself included.
    pub sharers: Vec<usize>,
    /// Whether workers stay where they are.
    pub pinned: bool,
    /// Cores with at least one worker, of all cores.
    pub busy_cores: (usize, usize),
    /// Nodes with at least one worker.
    pub nodes_used: usize,
    /// Packages with at least one worker.
    pub packages_used: usize,
    /// Factor on the time of everything: throttling, overcommitted CPUs, a host without a free CPU.
    pub slowdown: f64,
}

impl Crew {
    /// Puts a team on the host.
    ///
    /// # Errors
    /// A CPU that the host does not have.
    pub fn new(team: &PhasePlan, layout: &Layout, host: &Description) -> Result<Crew, String> {
        let pinned = !team.cpus.is_empty();
        let places: Vec<Place> = if pinned {
            let find = |cpu: &usize| layout.places.get(*cpu).copied().flatten().ok_or(*cpu);
            let found: Result<_, usize> = team.cpus.iter().map(find).collect();
            found.map_err(|cpu| format!("the simulated host has no CPU {cpu}"))?
        } else {
            layout
                .scheduler_order
                .iter()
                .cycle()
                .take(team.threads)
                .copied()
                .collect()
        };
        let per_core = counted(places.iter().map(|place| place.core));
        let per_cpu = counted(places.iter().map(|place| place.cpu));
        let (nodes, packages) = (
            counted(places.iter().map(|place| place.node)),
            counted(places.iter().map(|place| place.package)),
        );
        let used = |counts: &[usize]| counts.iter().filter(|count| **count > 0).count();
        let cpus = layout.scheduler_order.len();
        let overcommitted = per_cpu.iter().any(|count| *count > 1)
            || host
                .cpu_quota
                .is_some_and(|quota| team.threads as f64 > quota);
        // Interrupts, the server's own threads and every other process need a CPU now and then, and
        // whoever they displace is the one that all others wait for.
        let full = used(&per_cpu) == cpus;
        let slowdown = match (overcommitted, full) {
            (true, _) => OVERCOMMIT_SLOWDOWN,
            (false, true) => 1.0 / (1.0 - host.step.full_host_loss),
            (false, false) => 1.0,
        };
        Ok(Crew {
            sharers: places.iter().map(|place| per_core[place.core]).collect(),
            pinned,
            busy_cores: (used(&per_core), layout.cores),
            nodes_used: used(&nodes),
            packages_used: used(&packages),
            slowdown,
            nodes: places.into_iter().map(|place| place.node).collect(),
        })
    }

    /// Workers.
    pub fn threads(&self) -> usize {
        self.nodes.len()
    }

    /// Share of all workers on each of `nodes` nodes.
    pub fn node_shares(&self, nodes: usize) -> Vec<f64> {
        let mut shares = vec![0.0; nodes];
        for node in &self.nodes {
            shares[*node] += 1.0 / self.threads() as f64;
        }
        shares
    }

    /// Adds to each node its part of what lies wherever the workers have been.
    pub fn spread(&self, bytes: f64, nodes: &mut [f64]) {
        for node in &self.nodes {
            nodes[*node] += bytes / self.threads() as f64;
        }
    }
}

fn counted(keys: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut counts = Vec::new();
    for key in keys {
        if counts.len() <= key {
            counts.resize(key + 1, 0);
        }
        counts[key] += 1;
    }
    counts
}
