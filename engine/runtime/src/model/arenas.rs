//! The memory of packed weights: an arena for each NUMA node whose workers read them.

use std::collections::BTreeMap;
use std::ops::Range;

use sysinfer_machine::{MachineError, NodeArena, NodeSlice, Pages, Ranges};

use crate::nodes::runs;

/// Where packed weights go.
#[derive(Debug)]
pub struct Arenas {
    /// Nodes of the decode team and their workers, in worker order.
    runs: Vec<(usize, Range<usize>)>,
    by_node: BTreeMap<usize, NodeArena>,
}

/// Memory of neighbouring workers of one node.
#[derive(Debug)]
pub struct NodePart {
    /// The node.
    pub node: usize,
    /// These workers.
    pub workers: Range<usize>,
    /// What they have, one after another.
    pub bytes: NodeSlice,
}

impl Arenas {
    /// Arenas for about `expected` bytes in all, that decode workers on these nodes (in worker order) read. They
    /// are bound to their nodes if there are several and `bind` says so; else first touch decides.
    pub fn new(nodes: &[usize], pages: Pages, bind: bool, expected: u64) -> Arenas {
        let runs = runs(nodes);
        let mut by_node = BTreeMap::new();
        let several = nodes.iter().any(|node| *node != nodes[0]);
        let expected = usize::try_from(expected).unwrap_or(usize::MAX);
        for node in nodes {
            by_node.entry(*node).or_insert_with(|| {
                let workers = nodes.iter().filter(|other| *other == node).count();
                let share = (expected / nodes.len()).saturating_mul(workers);
                NodeArena::new(share, pages, (bind && several).then_some(*node))
            });
        }
        Arenas { runs, by_node }
    }

    /// Memory for the bytes of every worker.
    ///
    /// # Errors
    /// No memory.
    pub fn take(&mut self, by_worker: &Ranges) -> Result<Vec<NodePart>, MachineError> {
        let part = |(node, workers): &(usize, Range<usize>)| {
            let arena = self.by_node.get_mut(node).expect("every node has one");
            let bytes: usize = workers
                .clone()
                .map(|worker| by_worker.get(worker).len())
                .sum();
            Ok(NodePart {
                node: *node,
                workers: workers.clone(),
                bytes: arena.take(bytes)?,
            })
        };
        self.runs.iter().map(part).collect()
    }
}

/// Every worker's memory, in worker order.
pub fn by_worker<'p>(parts: &'p mut [NodePart], by_worker: &Ranges) -> Vec<&'p mut [u8]> {
    let mut all = Vec::with_capacity(by_worker.len());
    for part in parts {
        let mut rest = &mut part.bytes[..];
        for worker in part.workers.clone() {
            let (own, others) = rest.split_at_mut(by_worker.get(worker).len());
            all.push(own);
            rest = others;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_have_their_own_bytes_on_their_own_node() {
        let nodes = [0, 0, 2, 1, 1, 0];
        let cuts = Ranges::split(100, 1, 6).scaled(64);
        let mut arenas = Arenas::new(&nodes, Pages::Normal, true, 10_000);
        let mut parts = arenas.take(&cuts).expect("a little memory");
        let found: Vec<_> = parts
            .iter()
            .map(|part| (part.node, part.workers.clone()))
            .collect();
        assert_eq!(found, [(0, 0..2), (2, 2..3), (1, 3..5), (0, 5..6)]);
        for (worker, bytes) in by_worker(&mut parts, &cuts).into_iter().enumerate() {
            assert_eq!(bytes.len(), cuts.get(worker).len());
            assert!(bytes.iter().all(|byte| *byte == 0), "given twice");
            bytes.fill(worker as u8 + 1);
        }
        let all: Vec<u8> = parts
            .iter()
            .flat_map(|part| part.bytes.iter().copied())
            .collect();
        let wanted = (0..6).flat_map(|worker| vec![worker as u8 + 1; cuts.get(worker).len()]);
        assert!(all.into_iter().eq(wanted));
    }
}
