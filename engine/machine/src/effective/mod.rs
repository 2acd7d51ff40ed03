//! How much of the host we may really use: allowed CPUs and memory nodes, and the quota and the limit of
//! memory that a container puts on them. Spinning threads beyond the quota stop each other for whole scheduling
//! periods.

mod cgroup;
mod nodes;
mod taken;

use std::path::Path;

use cgroup::Hierarchy;
pub use taken::Throttling;

use crate::host_memory::total_memory_bytes;
use crate::{Topology, pin};

/// The CPU quota of this process in CPUs (e.g. 7.65): the smallest over its cgroup and all above it,
/// version 2 or 1; `None` without a limit.
pub fn cpu_quota() -> Option<f64> {
    Hierarchy::of_this_process()?.quota(&cgroup::read_file)
}

/// As [`cpu_quota`], from the contents of `/proc/self/cgroup` and `/proc/self/mountinfo`; `read` gives
/// those of the files in the hierarchy. Whatever they say, the answer is a finite number or `None`.
pub fn cpu_quota_of(
    cgroups: &str,
    mounts: &str,
    read: &impl Fn(&Path) -> Option<String>,
) -> Option<f64> {
    Hierarchy::find(cgroups, mounts)?.quota(read)
}

/// CPUs that can be busy at once: the allowed ones, but no more than the quota, rounded down; at
/// least 1. For a topology that is not this host's, no more than this host's allowed CPUs either:
/// threads run here, whatever machine the plan is for.
pub fn effective_cpus(topology: &Topology) -> usize {
    let mut cpus = topology.cpus.len();
    if !topology.is_this_host {
        cpus = cpus.min(pin::allowed_cpus().len());
    }
    whole_cpus(cpus, cpu_quota())
}

/// Memory that this process may use: the host's, but no more than that of the nodes of its cpuset, nor
/// the smallest limit of its cgroup and all above it. It says nothing about how much of that is free.
/// `None` where nobody says.
pub fn usable_memory_bytes() -> Option<u64> {
    let host = Some(total_memory_bytes()).filter(|bytes| *bytes > 0);
    let hierarchy = Hierarchy::of_controller("memory");
    let limit = hierarchy.and_then(|hierarchy| hierarchy.memory_limit(&cgroup::read_file));
    let nodes = nodes::of_cpuset(&cgroup::read_file).map(|nodes| nodes.total);
    host.into_iter().chain(limit).chain(nodes).min()
}

/// Memory that the limits of this process leave, bytes: what those of its cgroup and all above it allow
/// beyond what is taken, and what the nodes of its cpuset have free. It says nothing about how much the
/// host has free. `None` without a limit.
pub fn memory_left_bytes() -> Option<u64> {
    let hierarchy = Hierarchy::of_controller("memory");
    let limit = hierarchy.and_then(|hierarchy| hierarchy.memory_left(&cgroup::read_file));
    let nodes = nodes::of_cpuset(&cgroup::read_file).map(|nodes| nodes.available);
    limit.into_iter().chain(nodes).min()
}

/// How many scheduling periods the quota has cut short so far, in this process' cgroup and those
/// above it; `None` where the kernel does not count them. A sample during which it grew is worthless.
pub fn throttled_periods() -> Option<u64> {
    Hierarchy::of_this_process()?.throttled_periods(&cgroup::read_file)
}

/// What the quotas of this process' cgroup and those above it have taken so far; `None` where the kernel does not
/// count it.
pub fn throttling() -> Option<Throttling> {
    Hierarchy::of_this_process()?.throttling(&cgroup::read_file)
}

/// CPUs that can be busy at once under a quota: `cpus`, but no more than the quota, rounded down; at
/// least 1.
pub fn whole_cpus(cpus: usize, quota: Option<f64>) -> usize {
    // Down: rounding 7.65 up to 8 busy threads has them all stopped in every period. The conversion
    // saturates.
    let by_quota = quota.map_or(usize::MAX, |quota| quota.floor() as usize);
    cpus.min(by_quota).max(1)
}

/// That `threads` are more than the `effective_cpus` of `cpus` allowed ones can run at once, and how many
/// are not; `None` where they are not.
pub fn surplus(threads: usize, cpus: usize, effective_cpus: usize) -> Option<String> {
    if threads <= effective_cpus {
        return None;
    }
    let place = match effective_cpus < cpus {
        true => format!("the {effective_cpus} of {cpus} CPUs that the quota leaves"),
        false if cpus == 1 => "1 CPU".into(),
        false => format!("{cpus} CPUs"),
    };
    Some(format!(
        "{threads} threads on {place} take turns, and every step waits for the last of them; \
         {effective_cpus} would fit"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_threads_than_fit_are_told_how_many_do() {
        assert_eq!(surplus(2, 2, 2), None);
        let cases = [
            ((8, 2, 2), "8 threads on 2 CPUs take turns", "; 2 would fit"),
            ((8, 1, 1), "8 threads on 1 CPU take", "; 1 would fit"),
            (
                (8, 96, 4),
                "on the 4 of 96 CPUs that the quota leaves",
                "; 4 would fit",
            ),
        ];
        for ((threads, cpus, effective), begin, end) in cases {
            let text = surplus(threads, cpus, effective).expect("more than fit");
            assert!(text.contains(begin) && text.ends_with(end), "{text}");
        }
    }

    #[test]
    fn quotas_round_down_to_at_least_one() {
        let cases = [
            (8, None, 8),
            (8, Some(7.65), 7),
            (8, Some(0.5), 1),
            (8, Some(16.0), 8),
            (0, None, 1),
            (2, Some(f64::INFINITY), 2),
        ];
        for (cpus, quota, expected) in cases {
            assert_eq!(whole_cpus(cpus, quota), expected, "{cpus} {quota:?}");
        }
    }

    #[test]
    fn there_is_memory_to_use_and_no_more_than_the_host_has() {
        let host = total_memory_bytes();
        let usable = usable_memory_bytes().unwrap_or(host);
        assert!(usable > 0 && usable <= host, "{usable} of {host}");
    }

    #[test]
    fn a_large_machine_on_paper_gives_no_cpus_here() {
        let topology = Topology::from_synthetic("pack:64 numa:2 core:128 pu:1").unwrap();
        assert!(effective_cpus(&topology) <= pin::allowed_cpus().len());
    }
}
