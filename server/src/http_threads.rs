//! The threads beside the engine, which speak HTTP, make prompts and write logs: kept off the CPUs of the plan.
//!
//! A decode step waits for its slowest worker, so one HTTP thread on a worker's CPU slows all of
//! them. Where the plan pins and leaves CPUs free, all other threads run on those, and the kernel moves them
//! among them, out of the way of other processes. Processes that render templates inherit this from the thread
//! that starts them. Where the plan leaves no CPU, there is one HTTP thread: two would wake each other for every
//! token.

use std::collections::BTreeSet;

use sysinfer_engine::Plan;
use sysinfer_machine::{Topology, confine_to};
use tokio::runtime::{Builder, Runtime};

use crate::intake;

/// Most threads that serve connections. Prompts are tokenised elsewhere, and one thread writes the
/// tokens of many answers.
const MOST_WORKERS: usize = 2;

/// Threads that make prompts of bodies, one for each that has a permit, and one for whatever else there is.
const BLOCKING: usize = intake::AT_ONCE + 1;

/// CPUs that neither phase of the plan uses; empty when the plan does not pin, or uses all.
pub fn spare_cpus(plan: &Plan, topology: &Topology) -> Vec<usize> {
    if plan.decode.cpus.is_empty() || plan.prefill.cpus.is_empty() {
        return Vec::new();
    }
    let used: BTreeSet<usize> = plan
        .decode
        .cpus
        .iter()
        .chain(&plan.prefill.cpus)
        .copied()
        .collect();
    topology
        .cpus
        .iter()
        .map(|cpu| cpu.id)
        .filter(|cpu| !used.contains(cpu))
        .collect()
}

/// A runtime whose threads run on `spare` CPUs, or anywhere when there are none.
///
/// # Errors
/// The system gives no threads or no event queue.
pub fn runtime(spare: Vec<usize>) -> std::io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(workers(&spare))
        .max_blocking_threads(BLOCKING)
        .thread_name("sysinfer-http")
        .enable_all();
    builder.on_thread_start(move || keep_on(&spare));
    builder.build()
}

/// Never more threads than CPUs that are free for them, but one.
fn workers(spare: &[usize]) -> usize {
    spare.len().clamp(1, MOST_WORKERS)
}

/// Keeps the calling thread, and all that it starts, on `spare` CPUs, if there are any. A refusal costs speed, not
/// service.
pub fn keep_on(spare: &[usize]) {
    if !spare.is_empty()
        && let Err(error) = confine_to(spare)
    {
        tracing::warn!(%error, "a thread beside the engine's may run on the engine's CPUs");
    }
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::PhasePlan;

    use super::*;

    #[test]
    fn http_threads_are_as_many_as_cpus_are_free() {
        for (spare, wanted) in [(&[][..], 1), (&[3], 1), (&[2, 3], 2), (&[1, 2, 3], 2)] {
            assert_eq!(workers(spare), wanted, "{spare:?}");
        }
    }

    #[test]
    fn http_threads_run_on_all_spare_cpus() {
        let cpus = sysinfer_machine::allowed_cpus();
        let affinity = |spare: &[usize]| {
            let runtime = runtime(spare.to_vec()).expect("threads");
            let read = runtime.spawn(async { sysinfer_machine::current_affinity() });
            let read = runtime.block_on(read).expect("it ran");
            read.expect("the system tells")
        };
        assert_eq!(affinity(&[]), cpus);
        assert_eq!(affinity(&cpus), cpus);
        assert_eq!(affinity(&cpus[..1]), cpus[..1]);
        assert_eq!(affinity(&[1 << 19]), cpus, "there is no such CPU");
    }

    #[test]
    fn spare_cpus_are_those_that_no_phase_uses() {
        let topology = Topology::flat(&[0, 1, 2, 3]);
        let phase = |cpus: &[usize]| PhasePlan {
            threads: 2,
            map: "given".into(),
            cpus: cpus.to_vec(),
        };
        let plan = |decode: &[usize], prefill: &[usize]| Plan {
            prefill: phase(prefill),
            ..Plan::with_threads(phase(decode))
        };
        assert_eq!(spare_cpus(&plan(&[0, 1], &[1, 2]), &topology), [3]);
        assert!(spare_cpus(&plan(&[0, 1], &[2, 3]), &topology).is_empty());
        assert!(spare_cpus(&plan(&[], &[]), &topology).is_empty());
        assert!(
            spare_cpus(&plan(&[0, 1], &[]), &topology).is_empty(),
            "the unpinned phase goes anywhere"
        );
    }
}
