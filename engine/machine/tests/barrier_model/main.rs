//! A model of the team's barrier: the barrier's own files, on atomics, cells and locks of loom, which
//! tries the orders in which a few threads can go and the values that the memory model lets each load
//! return. What it finds are deadlocks (a wake-up that was lost), payloads that are written while they
//! are read, and regions that do not see the one before.
//!
//! The number of times that a thread is interrupted is bounded, else it would not end; mistakes of this
//! kind show with one or two.

#[path = "../../src/team/barrier/mod.rs"]
mod barrier;
mod sync;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use barrier::layout::Layout;
use barrier::{Barrier, Doers};
use loom::cell::UnsafeCell;
use sysinfer_machine::{Cpu, Runner, Topology};

const SPINS: Duration = Duration::from_nanos(1);

/// A team to model.
#[derive(Clone)]
struct Team {
    /// Where the workers beside the leader are.
    workers: Vec<Option<Cpu>>,
    leader_patience: Duration,
    worker_patience: Duration,
    regions: u32,
    /// The leader stirs sleepers before each region, with this patience from then on.
    stirs: Option<Duration>,
    /// The leader does parts that are free, before it waits and while it does.
    leader_helps: bool,
    /// So do workers, while they wait.
    workers_help: bool,
}

impl Team {
    fn new(workers: Vec<Option<Cpu>>, regions: u32) -> Team {
        Team {
            workers,
            leader_patience: Duration::ZERO,
            worker_patience: Duration::ZERO,
            regions,
            stirs: None,
            leader_helps: false,
            workers_help: false,
        }
    }

    /// Whether members do each other's parts.
    fn helps(&self) -> bool {
        self.leader_helps || self.workers_help
    }

    /// Tries the orders with at most so many interruptions.
    fn check(self, interruptions: usize) {
        if is_emulated() {
            return;
        }
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(interruptions);
        model.check(move || self.run());
    }

    /// Once through: all regions, each of which reads what all wrote in the one before, then the end.
    fn run(&self) {
        let shared = Arc::new(Shared {
            barrier: Barrier::new(Layout::of(&self.workers)),
            written: (0..=self.workers.len())
                .map(|_| Default::default())
                .collect(),
        });
        shared
            .barrier
            .set_patience(self.leader_patience, self.worker_patience);
        let workers: Vec<_> = (0..self.workers.len())
            .map(|worker| {
                let (shared, team) = (Arc::clone(&shared), self.clone());
                loom::thread::spawn(move || {
                    let seen = shared.work(worker, team.workers_help);
                    // Where others may do its part, it may sleep through a region.
                    assert!(seen == team.regions || (team.helps() && seen < team.regions));
                })
            })
            .collect();
        let leader = self.workers.len();
        for region in 1..=self.regions {
            if let Some(patience) = self.stirs {
                shared.barrier.set_patience(patience, patience);
                shared.barrier.stir();
            }
            let doers = if self.helps() { Doers::All } else { Doers::Own };
            // SAFETY: the region before was waited for, and a job refers to nothing.
            unsafe { shared.barrier.release(region, job(region), doers) };
            shared.write(leader, region);
            let help = |_| self.leader_helps && shared.help(region);
            while help(Duration::ZERO) {}
            shared.barrier.wait_for_parts(region, region - 1, help);
            shared.read_all(region);
        }
        // SAFETY: the last region was waited for.
        unsafe { shared.barrier.stop(self.regions + 1) };
        for worker in workers {
            worker.join().expect("no worker panics");
        }
    }
}

/// The payload of a region, in two words that could be torn.
fn job(region: u32) -> (usize, usize) {
    (region as usize, 100 + region as usize)
}

struct Shared {
    barrier: Barrier<(usize, usize)>,
    /// The last region that each member was in, written even and odd regions apart: loom would not let a
    /// write meet a read.
    written: Vec<[UnsafeCell<u32>; 2]>,
}

// SAFETY: loom watches every access to the cells, and fails where two meet.
unsafe impl Sync for Shared {}

impl Shared {
    /// The life of a worker; returns the last region that it saw.
    fn work(&self, worker: usize, helps: bool) -> u32 {
        let mut seen = 0;
        let help = |seen: u32| {
            // SAFETY: this worker has seen the region last of all, and arrives below.
            let taken = unsafe { self.barrier.take_near(worker, seen) };
            taken
                .map(|(part, given)| self.do_part(part, seen, given))
                .is_some()
        };
        let meanwhile = |seen: u32| helps && seen > 0 && help(seen);
        while let Some(region) = self.barrier.next_region(worker, seen, |_| meanwhile(seen)) {
            assert!(region > seen, "worker {worker}");
            seen = region;
            // SAFETY: this worker has just seen the region, and arrives below.
            if let Some(given) = unsafe { self.barrier.take(worker, worker, region) } {
                self.do_part(worker, region, given);
            }
        }
        seen
    }

    /// The leader does a part of another member, if there is one; whether there was.
    fn help(&self, region: u32) -> bool {
        let taken = self.barrier.take_at(Some(0), region, |_| true);
        taken
            .map(|part| self.do_part(part, region, job(region)))
            .is_some()
    }

    fn do_part(&self, part: usize, region: u32, given: (usize, usize)) {
        assert_eq!(given, job(region), "part {part}");
        self.read_all(region - 1);
        self.write(part, region);
        self.barrier.arrive(part, region);
    }

    fn write(&self, member: usize, region: u32) {
        // SAFETY: loom holds us to it that nobody else is here.
        self.written[member][region as usize % 2].with_mut(|place| unsafe { *place = region });
    }

    /// All members are seen to have been in `region`.
    fn read_all(&self, region: u32) {
        for (member, written) in self.written.iter().enumerate() {
            // SAFETY: loom holds us to it that nobody writes meanwhile.
            let seen = written[region as usize % 2].with(|place| unsafe { *place });
            assert_eq!(seen, region, "member {member}");
        }
    }
}

/// Whether an emulator runs this; says so. It would take minutes, and the model is the same everywhere.
fn is_emulated() -> bool {
    let emulated = !Runner::of_process().is_none();
    if emulated {
        println!("SKIPPED: under an emulator; the model does not depend on the architecture");
    }
    emulated
}

/// Workers at the first CPUs of a machine, without its first, where the leader is.
fn placed(description: &str) -> Vec<Option<Cpu>> {
    let topology = Topology::from_synthetic(description).expect("a valid description");
    topology.cpus[1..].iter().copied().map(Some).collect()
}

#[test]
fn sleepers_miss_no_region() {
    Team::new(vec![None; 2], 2).check(2);
    Team::new(vec![None], 2).check(3);
}

#[test]
fn spinners_that_fall_asleep_miss_no_region() {
    let mut team = Team::new(vec![None; 2], 2);
    team.leader_patience = SPINS;
    team.worker_patience = SPINS;
    team.check(1);
}

/// The second team meets on two counters.
#[test]
fn two_gates_open_as_one() {
    for (nodes, regions, interruptions) in [
        ("pack:3 numa:1 core:1 pu:1", 2, 2),
        ("pack:1 numa:2 core:2 pu:1", 2, 1),
    ] {
        let team = Team::new(placed(nodes), regions);
        assert_eq!(Layout::of(&team.workers).gates, 2);
        team.check(interruptions);
    }
    let mut spinning = Team::new(placed("pack:3 numa:1 core:1 pu:1"), 1);
    spinning.worker_patience = SPINS;
    spinning.check(2);
}

#[test]
fn stirring_beside_sleep_loses_nothing() {
    for (workers, regions, patience, interruptions) in [
        (2, 1, SPINS, 1),
        (1, 2, SPINS, 2),
        (1, 2, Duration::ZERO, 3),
    ] {
        let mut team = Team::new(vec![None; workers], regions);
        team.stirs = Some(patience);
        team.check(interruptions);
    }
}

/// Each part is done once, whoever does it, and whoever comes late finds the payload of no region that is over.
#[test]
fn parts_that_others_do_are_done_once() {
    for (workers, regions, patience, interruptions) in [
        (1, 2, Duration::ZERO, 2),
        (1, 2, SPINS, 2),
        (2, 1, SPINS, 1),
        (2, 2, Duration::ZERO, 1),
    ] {
        // A worker alone has nobody to help.
        let helpers: &[_] = match workers {
            1 => &[(true, false)],
            _ => &[(false, true), (true, true)],
        };
        for &(leader_helps, workers_help) in helpers {
            let mut team = Team::new(vec![None; workers], regions);
            (team.leader_helps, team.workers_help) = (leader_helps, workers_help);
            (team.leader_patience, team.worker_patience) = (patience, patience);
            team.check(interruptions);
        }
    }
}

#[test]
fn workers_end_whenever_they_begin() {
    for workers in [vec![None; 2], placed("pack:3 numa:1 core:1 pu:1")] {
        for patience in [Duration::ZERO, SPINS] {
            let mut team = Team::new(workers.clone(), 0);
            team.worker_patience = patience;
            team.check(4);
        }
    }
}

/// Were the model blind, all of the above would pass.
#[test]
fn the_model_finds_the_wake_up_that_is_lost_without_fences() {
    sync::WITHOUT_FENCES.with(|without| without.store(true, Relaxed));
    if is_emulated() {
        return;
    }
    let checked = catch_unwind(AssertUnwindSafe(|| Team::new(vec![None], 1).check(2)));
    let panic = checked.expect_err("the fences are needed");
    let message = panic.downcast_ref::<String>().expect("a message");
    assert!(message.contains("deadlock"), "{message}");
}
