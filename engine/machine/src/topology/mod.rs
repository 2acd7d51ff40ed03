//! Which CPUs, caches and memory nodes there are, as plain values: discovered by libhwloc
//! (`hwloc.rs`), described by the user for tests and dry runs, or flat when discovery fails.

mod discovery;
mod flat;
mod hwloc;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The part of a machine that this process may use.
#[derive(Debug, Clone, PartialEq)]
pub struct Topology {
    /// Allowed CPUs (processing units) in hwloc's logical order: neighbours share caches, hardware
    /// threads of a core are adjacent. Never empty.
    pub cpus: Vec<Cpu>,
    /// NUMA nodes with at least one allowed CPU, by their first CPU. Never empty. Memory-only nodes
    /// (e.g. CXL) are left out: nothing is local to them.
    pub nodes: Vec<Node>,
    /// Caches of the first CPU.
    pub caches: Caches,
    /// Whether this describes the host that runs this process. If not, never pin to its CPUs.
    pub is_this_host: bool,
    /// Where it came from: "hwloc", "flat", "synthetic DESCRIPTION" or "file PATH".
    pub source: String,
}

/// One CPU as the operating system counts them: a hardware thread. Written as its numbers in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[usize; 6]", into = "[usize; 6]")]
pub struct Cpu {
    /// OS index.
    pub id: usize,
    /// Core, counted from 0 over the allowed cores in logical order.
    pub core: usize,
    /// Rank among the allowed CPUs of its core, 0 first.
    pub smt: usize,
    /// Cores that share a last-level cache, or a smaller group of cores where hwloc knows one (four
    /// cores on a Kunpeng 920), counted like cores; the NUMA node where neither exists.
    pub cluster: usize,
    /// OS index of the NUMA node.
    pub node: usize,
    /// Package (socket), counted like cores.
    pub package: usize,
}

impl From<[usize; 6]> for Cpu {
    fn from([id, core, smt, cluster, node, package]: [usize; 6]) -> Self {
        Self {
            id,
            core,
            smt,
            cluster,
            node,
            package,
        }
    }
}

impl From<Cpu> for [usize; 6] {
    fn from(cpu: Cpu) -> Self {
        [
            cpu.id,
            cpu.core,
            cpu.smt,
            cpu.cluster,
            cpu.node,
            cpu.package,
        ]
    }
}

/// One NUMA node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// OS index.
    pub id: usize,
    /// OS indices of its allowed CPUs, in logical order.
    pub cpus: Vec<usize>,
    /// Memory of the node; 0 when unknown.
    pub memory_bytes: u64,
}

/// Cache sizes as one core sees them; 0 when unknown or absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caches {
    /// First-level data cache.
    pub l1d_bytes: usize,
    /// Second level.
    pub l2_bytes: usize,
    /// Third level, all of it even if shared.
    pub l3_bytes: usize,
    /// Third-level caches that the allowed CPUs have in all.
    pub l3_count: usize,
    /// Cache line.
    pub line_bytes: usize,
}

impl Topology {
    /// The CPU with this OS index.
    pub fn cpu(&self, id: usize) -> Option<&Cpu> {
        self.cpus.iter().find(|cpu| cpu.id == id)
    }

    /// How many cores have an allowed CPU.
    pub fn cores(&self) -> usize {
        self.count(|cpu| cpu.core)
    }

    /// How many packages (sockets) have an allowed CPU.
    pub fn packages(&self) -> usize {
        self.count(|cpu| cpu.package)
    }

    /// How many clusters have an allowed CPU.
    pub fn clusters(&self) -> usize {
        self.count(|cpu| cpu.cluster)
    }

    /// Third-level caches of all allowed CPUs together, bytes; 0 when unknown or absent.
    pub fn l3_total_bytes(&self) -> u64 {
        (self.caches.l3_bytes as u64).saturating_mul(self.caches.l3_count as u64)
    }

    /// The most allowed hardware threads that any core has; 1 means no SMT.
    pub fn smt(&self) -> usize {
        self.cpus.iter().map(|cpu| cpu.smt + 1).max().unwrap_or(1)
    }

    /// One line: "2 packages x 2 nodes x 24 cores x 1 thread" where every part is alike, else totals:
    /// "2 packages, 4 nodes, 90 cores, 90 threads".
    pub fn summary(&self) -> String {
        let (packages, nodes) = (self.packages(), self.nodes.len());
        let (cores, cpus) = (self.cores(), self.cpus.len());
        if self.is_uniform() {
            let per_package = part_name(nodes / packages, "node");
            let per_node = part_name(cores / nodes, "core");
            let per_core = part_name(cpus / cores, "thread");
            format!(
                "{} x {per_package} x {per_node} x {per_core}",
                part_name(packages, "package")
            )
        } else {
            let totals = [
                (packages, "package"),
                (nodes, "node"),
                (cores, "core"),
                (cpus, "thread"),
            ];
            totals
                .map(|(count, name)| part_name(count, name))
                .join(", ")
        }
    }

    fn count(&self, key: impl Fn(&Cpu) -> usize) -> usize {
        self.cpus.iter().map(key).collect::<BTreeSet<_>>().len()
    }

    /// Whether all packages have as many nodes, all nodes as many cores, all cores as many CPUs.
    fn is_uniform(&self) -> bool {
        alike(self.cpus.iter().map(|cpu| (cpu.package, cpu.node)))
            && alike(self.cpus.iter().map(|cpu| (cpu.node, cpu.core)))
            && alike(self.cpus.iter().map(|cpu| (cpu.core, cpu.id)))
            // A node in two packages, as broken firmware has it, would make the product wrong.
            && self.count(|cpu| cpu.node) == distinct(self.cpus.iter().map(|cpu| (cpu.package, cpu.node)))
            && self.cores() == distinct(self.cpus.iter().map(|cpu| (cpu.node, cpu.core)))
    }
}

/// Whether every parent has the same number of different children.
fn alike(pairs: impl Iterator<Item = (usize, usize)>) -> bool {
    let pairs: BTreeSet<(usize, usize)> = pairs.collect();
    let mut children = BTreeMap::<usize, usize>::new();
    for (parent, _) in pairs {
        *children.entry(parent).or_default() += 1;
    }
    children.into_values().collect::<BTreeSet<_>>().len() <= 1
}

fn distinct(pairs: impl Iterator<Item = (usize, usize)>) -> usize {
    pairs.collect::<BTreeSet<_>>().len()
}

fn part_name(count: usize, name: &str) -> String {
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_synthetic_machines() {
        let cases = [
            (
                "pack:2 numa:2 l3:1 core:24 pu:1",
                "2 packages x 2 nodes x 24 cores x 1 thread",
                4,
            ),
            (
                "pack:1 numa:1 l3:1 core:4 pu:2",
                "1 package x 1 node x 4 cores x 2 threads",
                1,
            ),
            (
                "pack:2 numa:2 core:40 pu:1",
                "2 packages x 2 nodes x 40 cores x 1 thread",
                4,
            ),
            (
                "pack:2 numa:2 l3:1 group:6 core:4 pu:1",
                "2 packages x 2 nodes x 24 cores x 1 thread",
                24,
            ),
            (
                "pack:1 l3:2 l2:4 core:1 pu:1",
                "1 package x 1 node x 8 cores x 1 thread",
                2,
            ),
            (
                "pack:1 l2:4 core:1 pu:2",
                "1 package x 1 node x 4 cores x 2 threads",
                1,
            ),
        ];
        for (description, summary, clusters) in cases {
            let topology = Topology::from_synthetic(description).unwrap();
            assert_eq!(topology.summary(), summary, "{description}");
            assert_eq!(topology.clusters(), clusters, "{description}");
            assert!(!topology.is_this_host);
            assert_eq!(topology.source, format!("synthetic {description}"));
        }
    }

    #[test]
    fn places_every_cpu_of_the_reference_machine() {
        let topology =
            Topology::from_synthetic("pack:2 numa:2 l3:1(size=50331648) core:24 pu:1").unwrap();
        let expected = Cpu {
            id: 50,
            core: 50,
            smt: 0,
            cluster: 2,
            node: 2,
            package: 1,
        };
        assert_eq!(topology.cpu(50), Some(&expected));
        assert_eq!(topology.nodes[1].cpus, (24..48).collect::<Vec<_>>());
        assert_eq!(topology.nodes[3].id, 3);
        assert_eq!(topology.caches.l3_bytes, 48 << 20);
        assert_eq!(topology.cpu(96), None);
    }

    #[test]
    fn third_level_caches_are_counted_apart_from_clusters() {
        let cases = [
            ("pack:2 numa:2 l3:1(size=1048576) group:6 core:4 pu:1", 4),
            ("pack:1 numa:1 l3:2(size=1048576) core:4 pu:2", 2),
            ("pack:1 numa:1 l2:4(size=1048576) core:1 pu:1", 0),
        ];
        for (description, count) in cases {
            let mut topology = Topology::from_synthetic(description).unwrap();
            assert_eq!(topology.caches.l3_count, count, "{description}");
            assert_eq!(topology.l3_total_bytes(), (count as u64) << 20);
            topology.caches.l3_bytes = usize::MAX;
            topology.caches.l3_count = 2;
            assert_eq!(topology.l3_total_bytes(), u64::MAX, "no overflow");
        }
    }

    #[test]
    fn hardware_threads_are_ranked_within_their_core() {
        let topology = Topology::from_synthetic("pack:1 numa:1 l3:1 core:2 pu:2").unwrap();
        let ranks: Vec<_> = topology
            .cpus
            .iter()
            .map(|cpu| (cpu.core, cpu.smt))
            .collect();
        assert_eq!(ranks, [(0, 0), (0, 1), (1, 0), (1, 1)]);
        assert_eq!(topology.smt(), 2);
    }

    #[test]
    fn uneven_machines_are_summed_up() {
        let mut topology = Topology::from_synthetic("pack:2 numa:2 l3:1 core:24 pu:1").unwrap();
        topology.cpus.retain(|cpu| cpu.id != 95);
        assert_eq!(
            topology.summary(),
            "2 packages, 4 nodes, 95 cores, 95 threads"
        );
    }
}
