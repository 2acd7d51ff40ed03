//! NUMA nodes of the workers of a team, in the order of the workers.

use std::ops::Range;

/// Runs of equal neighbours: `[0, 0, 1]` gives `(0, 0..2)`, `(1, 2..3)`.
pub(crate) fn runs(nodes: &[usize]) -> Vec<(usize, Range<usize>)> {
    let mut runs: Vec<(usize, Range<usize>)> = Vec::new();
    for (worker, node) in nodes.iter().enumerate() {
        match runs.last_mut() {
            Some((last, range)) if last == node => range.end = worker + 1,
            _ => runs.push((*node, worker..worker + 1)),
        }
    }
    runs
}

/// Nodes of a team's workers: `(0, 2)`, `(1, 1)` gives `[0, 0, 1]`.
#[cfg(test)]
pub(crate) fn workers(counts: &[(usize, usize)]) -> Vec<usize> {
    let of_node = |(node, count): &(usize, usize)| vec![*node; *count];
    counts.iter().flat_map(of_node).collect()
}
