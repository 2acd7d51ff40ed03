//! The plan of a host that was never tuned: one function for the server, which looks at who else is
//! pinned, and for the tuner, which measures against it.

use sysinfer_machine::{MapPolicy, Neighbours, Seats, Topology, Why, seats};

use crate::plan::{PhasePlan, Plan};

/// Threads of a host that was never tuned: one per core, no more than may run at once.
pub fn untuned_threads(topology: &Topology, effective_cpus: usize) -> usize {
    topology.cores().min(effective_cpus).max(1)
}

impl PhasePlan {
    /// `threads` workers on CPUs that [`seats`] chooses, and why those.
    pub fn untuned(topology: &Topology, threads: usize, neighbours: &Neighbours) -> (Self, Why) {
        let Seats { cpus, why } = seats(topology, threads, neighbours);
        let team = if cpus.is_empty() {
            Self::unpinned(threads)
        } else {
            let map = MapPolicy::Compact.name().into();
            Self { threads, map, cpus }
        };
        (team, why)
    }
}

impl Plan {
    /// Both phases by such a team, and everything else as kernels and engine have it by themselves.
    pub fn untuned(topology: &Topology, threads: usize, neighbours: &Neighbours) -> (Self, Why) {
        let (team, why) = PhasePlan::untuned(topology, threads, neighbours);
        (Self::with_threads(team), why)
    }
}

#[cfg(test)]
mod tests {
    use sysinfer_machine::Blind;

    use super::*;

    #[test]
    fn one_thread_per_core_that_may_run_pinned_where_that_is_known_to_be_free() {
        let topology = Topology::from_synthetic("pack:1 numa:2 l3:1 core:4 pu:2").expect("valid");
        let threads = |effective| untuned_threads(&topology, effective);
        assert_eq!((threads(16), threads(3), threads(0)), (8, 3, 1));
        let mut neighbours = Neighbours::default();
        let (team, why) = PhasePlan::untuned(&topology, 3, &neighbours);
        assert_eq!(
            (team.map.as_str(), &team.cpus[..]),
            ("compact", &[0, 2, 4][..])
        );
        assert_eq!((team.threads, &why), (3, &Why::Alone));
        let both = Plan::with_threads(team);
        assert_eq!(Plan::untuned(&topology, 3, &neighbours), (both, why));
        neighbours.blind = Some(Blind::Container);
        let (team, why) = PhasePlan::untuned(&topology, 3, &neighbours);
        assert_eq!(team, PhasePlan::unpinned(3));
        assert_eq!(why, Why::Blind(Blind::Container));
    }
}
