//! Which worker runs on which CPU: named policies over a [`Topology`]. Pure, so that a plan for one
//! machine can be made and tested on another.

use std::collections::BTreeMap;

use crate::{Cpu, MachineError, Topology};

/// A rule that gives every worker a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MapPolicy {
    /// No CPU: the system's scheduler decides.
    Unpinned,
    /// Cores in logical order, one thread each; second hardware threads only after all cores.
    Compact,
    /// As many threads on every NUMA node, on its first cores, one thread each.
    Spread,
    /// As few threads per cluster as possible, over the nodes in turn; hardware threads of busy
    /// cores last.
    PerCluster,
    /// Cores in logical order, every hardware thread of a core before the next core.
    Smt,
    /// A list that the user gave; [`crate::CpuList::assign`] makes the map.
    Given,
}

impl MapPolicy {
    /// Every policy, in the order of the declaration.
    pub const ALL: [MapPolicy; 6] = [
        MapPolicy::Unpinned,
        MapPolicy::Compact,
        MapPolicy::Spread,
        MapPolicy::PerCluster,
        MapPolicy::Smt,
        MapPolicy::Given,
    ];

    /// The name in profiles, options and reports.
    pub fn name(self) -> &'static str {
        match self {
            MapPolicy::Unpinned => "unpinned",
            MapPolicy::Compact => "compact",
            MapPolicy::Spread => "spread",
            MapPolicy::PerCluster => "per-cluster",
            MapPolicy::Smt => "smt",
            MapPolicy::Given => "given",
        }
    }

    /// The policy with this name.
    ///
    /// # Errors
    /// [`MachineError::UnknownPolicy`], listing the names.
    pub fn from_name(name: &str) -> Result<MapPolicy, MachineError> {
        MapPolicy::ALL
            .into_iter()
            .find(|policy| policy.name() == name)
            .ok_or_else(|| MachineError::UnknownPolicy {
                name: name.chars().take(40).collect(),
            })
    }
}

/// The OS index of each worker's CPU; empty for [`MapPolicy::Unpinned`]. Workers are ordered so that
/// neighbours are near each other: equal shares of rows, in worker order, are local to nodes.
///
/// # Errors
/// [`MachineError::TooManyThreads`] names the limit of the policy, [`MachineError::NotAMultiple`] is
/// spread's rule, [`MachineError::ThreadCount`] stands for 0 threads and
/// [`MachineError::GivenWithoutList`] for [`MapPolicy::Given`].
pub fn place(
    topology: &Topology,
    policy: MapPolicy,
    threads: usize,
) -> Result<Vec<usize>, MachineError> {
    if threads == 0 {
        return Err(MachineError::ThreadCount {
            threads,
            most: topology.cpus.len(),
        });
    }
    let order = match policy {
        MapPolicy::Unpinned => return Ok(Vec::new()),
        MapPolicy::Given => return Err(MachineError::GivenWithoutList),
        MapPolicy::Spread => return spread(topology, threads),
        MapPolicy::Compact => one_per_core_first(&topology.cpus),
        MapPolicy::Smt => topology.cpus.clone(),
        MapPolicy::PerCluster => return per_cluster(topology, threads),
    };
    check_limit(policy, threads, order.len(), || {
        "the allowed CPUs".to_owned()
    })?;
    Ok(order.iter().take(threads).map(|cpu| cpu.id).collect())
}

fn check_limit(
    policy: MapPolicy,
    threads: usize,
    limit: usize,
    limited_by: impl Fn() -> String,
) -> Result<(), MachineError> {
    if threads <= limit {
        return Ok(());
    }
    let (policy, limited_by) = (policy.name(), limited_by());
    Err(MachineError::TooManyThreads {
        policy,
        threads,
        limit,
        limited_by,
    })
}

/// First hardware threads in logical order, then second ones, and so on.
fn one_per_core_first(cpus: &[Cpu]) -> Vec<Cpu> {
    let mut order = cpus.to_vec();
    order.sort_by_key(|cpu| cpu.smt);
    order
}

fn spread(topology: &Topology, threads: usize) -> Result<Vec<usize>, MachineError> {
    let cores_of = |node| {
        topology
            .cpus
            .iter()
            .filter(move |cpu| cpu.node == node && cpu.smt == 0)
    };
    let nodes = topology.nodes.len();
    let smallest = topology
        .nodes
        .iter()
        .min_by_key(|node| cores_of(node.id).count());
    let smallest = smallest.map_or((0, 0), |node| (node.id, cores_of(node.id).count()));
    check_limit(MapPolicy::Spread, threads, nodes * smallest.1, || {
        format!(
            "{nodes} nodes, and node {} has {} cores",
            smallest.0, smallest.1
        )
    })?;
    if !threads.is_multiple_of(nodes) {
        let above = threads.next_multiple_of(nodes);
        let possible = match above - nodes {
            0 => above.to_string(),
            below => format!("{below} or {above}"),
        };
        return Err(MachineError::NotAMultiple {
            threads,
            nodes,
            possible,
        });
    }
    let share = threads / nodes;
    let of_node = |node: &crate::Node| cores_of(node.id).take(share).map(|cpu| cpu.id).collect();
    Ok(topology
        .nodes
        .iter()
        .flat_map(|node| -> Vec<usize> { of_node(node) })
        .collect())
}

fn per_cluster(topology: &Topology, threads: usize) -> Result<Vec<usize>, MachineError> {
    let limit = topology.cpus.len();
    check_limit(MapPolicy::PerCluster, threads, limit, || {
        "the allowed CPUs".to_owned()
    })?;
    let mut rank_in_node = BTreeMap::<usize, BTreeMap<usize, usize>>::new();
    let mut rank_in_cluster = BTreeMap::<usize, usize>::new();
    let mut order = Vec::with_capacity(limit);
    for cpu in one_per_core_first(&topology.cpus) {
        let clusters = rank_in_node.entry(cpu.node).or_default();
        let next = clusters.len();
        let cluster_rank = *clusters.entry(cpu.cluster).or_insert(next);
        let turn = rank_in_cluster.entry(cpu.cluster).or_default();
        // Turn by turn; in a turn the first cluster of every node, then the second of every node.
        order.push((*turn, cluster_rank, cpu.id));
        *turn += 1;
    }
    // Stable: equal keys keep the logical order, which is by node.
    order.sort_by_key(|&(turn, cluster_rank, _)| (turn, cluster_rank));
    let mut chosen: Vec<usize> = order
        .into_iter()
        .take(threads)
        .map(|(_, _, id)| id)
        .collect();
    // Which CPUs is settled; their order among the workers goes by place again.
    let position: BTreeMap<usize, usize> = topology
        .cpus
        .iter()
        .enumerate()
        .map(|(position, cpu)| (cpu.id, position))
        .collect();
    chosen.sort_by_key(|id| position[id]);
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUNPENG: &str = "pack:2 numa:2 l3:1 core:24 pu:1";
    const SMT: &str = "pack:1 numa:1 l3:1 core:4 pu:2";
    const CLUSTERS: &str = "pack:1 numa:2 l3:2 core:3 pu:1";

    fn placed(description: &str, policy: MapPolicy, threads: usize) -> Result<Vec<usize>, String> {
        let topology = Topology::from_synthetic(description).unwrap();
        place(&topology, policy, threads).map_err(|error| error.to_string())
    }

    #[test]
    fn spread_is_the_map_of_the_original_guide() {
        let list: crate::CpuList = "0-21,24-45,48-69,72-93".parse().unwrap();
        assert_eq!(
            placed(KUNPENG, MapPolicy::Spread, 88).unwrap(),
            list.as_slice()
        );
    }

    #[test]
    fn policies_choose_in_their_order() {
        use MapPolicy::{Compact, PerCluster, Smt as Siblings, Spread, Unpinned};
        let cases: [(&str, MapPolicy, usize, &[usize]); 12] = [
            (KUNPENG, Compact, 3, &[0, 1, 2]),
            (KUNPENG, Spread, 4, &[0, 24, 48, 72]),
            (KUNPENG, PerCluster, 6, &[0, 1, 24, 25, 48, 72]),
            (KUNPENG, Unpinned, 5000, &[]),
            (SMT, Compact, 4, &[0, 2, 4, 6]),
            (SMT, Compact, 6, &[0, 2, 4, 6, 1, 3]),
            (SMT, Siblings, 3, &[0, 1, 2]),
            (SMT, Spread, 4, &[0, 2, 4, 6]),
            (SMT, PerCluster, 5, &[0, 1, 2, 4, 6]),
            (CLUSTERS, PerCluster, 2, &[0, 6]),
            (CLUSTERS, PerCluster, 4, &[0, 3, 6, 9]),
            (CLUSTERS, PerCluster, 5, &[0, 1, 3, 6, 9]),
        ];
        for (description, policy, threads, expected) in cases {
            let cpus = placed(description, policy, threads).unwrap();
            assert_eq!(cpus, expected, "{description} {} {threads}", policy.name());
        }
    }

    #[test]
    fn refusals_name_the_limit() {
        let cases = [
            (KUNPENG, MapPolicy::Spread, 90, "use 88 or 92"),
            (KUNPENG, MapPolicy::Spread, 3, "asked for; use 4"),
            (
                KUNPENG,
                MapPolicy::Spread,
                100,
                "room for 96 threads (4 nodes, and node 0 has 24 cores)",
            ),
            (SMT, MapPolicy::Spread, 5, "room for 4 threads"),
            (
                SMT,
                MapPolicy::Compact,
                9,
                "room for 8 threads (the allowed CPUs)",
            ),
            (SMT, MapPolicy::Smt, 9, "room for 8"),
            (SMT, MapPolicy::PerCluster, usize::MAX, "room for 8"),
            (SMT, MapPolicy::Compact, 0, "a team of 0 threads"),
            (SMT, MapPolicy::Given, 2, "takes its CPUs from a CPU list"),
        ];
        for (description, policy, threads, words) in cases {
            let message = placed(description, policy, threads).unwrap_err();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn names_are_read_back() {
        for policy in MapPolicy::ALL {
            assert_eq!(MapPolicy::from_name(policy.name()).unwrap(), policy);
        }
        assert!(
            MapPolicy::from_name("Compact")
                .unwrap_err()
                .to_string()
                .contains("per-cluster")
        );
    }
}
