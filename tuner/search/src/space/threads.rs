//! Thread counts worth trying on a topology.
//!
//! Small hosts: every count. Large ones: all cores, a few cores per node left to the operating
//! system and the server, and shares of the whole; all multiples of the node count, because equal
//! shares per node are what keeps every node's memory busy.

use sysinfer_engine::untuned_threads;
use sysinfer_machine::Topology;

/// Up to this many CPUs, every count is tried.
const SMALL_HOST_CPUS: usize = 8;

/// Counts that are tried on either side of the best one of the coarse grid.
const REFINED: usize = 3;

/// A number of workers and why it is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadCount {
    /// Workers.
    pub threads: usize,
    /// Why.
    pub reason: String,
}

/// Counts worth trying where `effective_cpus` can really run at once, ascending.
pub fn counts(topology: &Topology, effective_cpus: usize) -> Vec<ThreadCount> {
    let mut counts = if effective_cpus <= SMALL_HOST_CPUS {
        every(topology, effective_cpus)
    } else {
        shares(topology, effective_cpus)
    };
    // Of two reasons for one count the first one listed is the more telling.
    counts.sort_by_key(|count| count.threads);
    counts.dedup_by_key(|count| count.threads);
    counts
}

/// Every count that makes sense: of a small host all, of a large one all multiples of the nodes.
pub fn fine(topology: &Topology, effective_cpus: usize) -> Vec<ThreadCount> {
    let mut all = counts(topology, effective_cpus);
    let nodes = nodes_with_cpus(topology);
    let multiples = (nodes..=effective_cpus).step_by(nodes);
    all.extend(multiples.map(|threads| ThreadCount {
        threads,
        reason: "equal shares for all nodes".into(),
    }));
    all.sort_by_key(|count| count.threads);
    all.dedup_by_key(|count| count.threads);
    all
}

/// Counts between the neighbours of `winner` among the `tried` ones, at most `REFINED` on either
/// side: the best count lies between two that were tried more often than on one of them.
pub fn around(
    topology: &Topology,
    effective_cpus: usize,
    winner: usize,
    tried: &[usize],
) -> Vec<ThreadCount> {
    let below = tried.iter().copied().filter(|count| *count < winner).max();
    let above = tried.iter().copied().filter(|count| *count > winner).min();
    let all = fine(topology, effective_cpus);
    let between = |low: usize, high: usize| -> Vec<ThreadCount> {
        let inside = all
            .iter()
            .filter(|count| count.threads > low && count.threads < high);
        let inside: Vec<&ThreadCount> = inside.collect();
        let wanted = inside.len().min(REFINED);
        let place = |index: usize| (2 * index + 1) * inside.len() / (2 * wanted);
        (0..wanted)
            .map(|index| inside[place(index)].clone())
            .collect()
    };
    let mut found = between(below.unwrap_or(0), winner);
    found.extend(between(winner, above.unwrap_or(effective_cpus + 1)));
    for count in &mut found {
        count.reason = format!("near {winner}, the best so far");
    }
    found
}

/// Counts that the user asked for.
pub fn asked_for(threads: &[usize]) -> Vec<ThreadCount> {
    let reason = "asked for with --threads";
    threads
        .iter()
        .map(|&threads| ThreadCount {
            threads,
            reason: reason.into(),
        })
        .collect()
}

fn every(topology: &Topology, effective_cpus: usize) -> Vec<ThreadCount> {
    let cores = topology.cores();
    let reason = |threads: usize| match threads {
        1 => "the least: no barrier to wait at".to_string(),
        n if n == cores => "every core".to_string(),
        n if n > cores => format!("beyond the {cores} cores: SMT siblings"),
        _ => "small host: every count".to_string(),
    };
    (1..=effective_cpus.max(1))
        .map(|threads| ThreadCount {
            threads,
            reason: reason(threads),
        })
        .collect()
}

fn shares(topology: &Topology, effective_cpus: usize) -> Vec<ThreadCount> {
    let nodes = nodes_with_cpus(topology);
    let cores = untuned_threads(topology, effective_cpus);
    let clusters = topology.clusters();
    let wanted = [
        (cores, "every core".to_string()),
        (
            cores.saturating_sub(nodes),
            "one core per node left to the system".into(),
        ),
        (
            cores.saturating_sub(2 * nodes),
            "two cores per node left to the system".into(),
        ),
        (cores * 3 / 4, "three quarters of the cores".into()),
        (cores * 2 / 3, "two thirds of the cores".into()),
        (
            cores / 2,
            "half the cores: memory may be busy by then".into(),
        ),
        (cores / 4, "a quarter of the cores".into()),
        (cores / 8, "an eighth of the cores".into()),
        (
            clusters,
            format!("one for each of {clusters} clusters of cores"),
        ),
        (
            effective_cpus,
            "every logical CPU, SMT siblings included".into(),
        ),
    ];
    wanted
        .into_iter()
        .map(|(threads, reason)| ThreadCount {
            threads: threads - threads % nodes,
            reason,
        })
        .filter(|count| count.threads > 0 && count.threads <= effective_cpus)
        .collect()
}

fn nodes_with_cpus(topology: &Topology) -> usize {
    topology
        .nodes
        .iter()
        .filter(|node| !node.cpus.is_empty())
        .count()
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads_of(topology: &str, effective: Option<usize>) -> Vec<usize> {
        let topology = Topology::from_synthetic(topology).expect("valid description");
        let effective = effective.unwrap_or(topology.cpus.len());
        counts(&topology, effective)
            .into_iter()
            .map(|count| count.threads)
            .collect()
    }

    #[test]
    fn counts_fit_the_host() {
        let large = "pack:2 numa:2 l3:1 core:24 pu:1";
        assert_eq!(threads_of(large, None), [4, 12, 24, 48, 64, 72, 88, 92, 96]);
        assert_eq!(threads_of("pack:1 numa:1 l3:1 core:2 pu:1", None), [1, 2]);
        assert_eq!(
            threads_of("pack:1 numa:1 l3:1 core:4 pu:2", None),
            (1..=8).collect::<Vec<_>>()
        );
        assert_eq!(
            threads_of(large, Some(3)),
            [1, 2, 3],
            "a quota makes a large host small"
        );
        let limited = threads_of(large, Some(50));
        assert!(
            limited.iter().all(|count| *count <= 50 && count % 4 == 0),
            "{limited:?}"
        );
        let smt = threads_of("pack:1 numa:2 l3:1 core:16 pu:2", None);
        assert!(smt.contains(&32) && smt.contains(&64), "{smt:?}");
    }

    #[test]
    fn the_grid_is_refined_between_the_neighbours_of_the_best() {
        let topology = Topology::from_synthetic("pack:2 numa:2 l3:1 core:24 pu:1").expect("valid");
        let of = |winner, tried: &[usize]| -> Vec<usize> {
            let found = around(&topology, 96, winner, tried);
            found.into_iter().map(|count| count.threads).collect()
        };
        let tried = [4, 12, 24, 48, 64, 72, 88, 92, 96];
        assert_eq!(of(48, &tried), [28, 36, 44, 52, 56, 60]);
        assert_eq!(
            of(92, &tried),
            [0usize; 0],
            "nothing lies between multiples of 4"
        );
        assert_eq!(of(88, &[48, 88]), [56, 68, 80, 92, 96]);
        assert_eq!(fine(&topology, 96).len(), 24);
        let small = Topology::from_synthetic("pack:1 numa:1 l3:1 core:2 pu:1").expect("valid");
        assert!(around(&small, 2, 1, &[1, 2]).is_empty());
    }

    #[test]
    fn every_count_has_its_own_reason() {
        let topology = Topology::from_synthetic("pack:2 numa:2 l3:1 core:24 pu:1").expect("valid");
        let counts = counts(&topology, 96);
        let of = |threads| {
            counts
                .iter()
                .find(|c| c.threads == threads)
                .map(|c| c.reason.as_str())
        };
        assert_eq!(of(96), Some("every core"));
        assert_eq!(of(88), Some("two cores per node left to the system"));
        assert_eq!(untuned_threads(&topology, 96), 96);
        assert_eq!(untuned_threads(&topology, 7), 7);
    }
}
