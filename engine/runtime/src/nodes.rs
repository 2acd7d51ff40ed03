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
