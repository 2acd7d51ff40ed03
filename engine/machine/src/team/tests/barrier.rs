//! The barrier with its leader and workers on real threads, and on one.

use std::time::Duration;

use crate::Topology;
use crate::team::barrier::Barrier;
use crate::team::barrier::layout::Layout;

fn unplaced(workers: usize) -> Barrier<usize> {
    Barrier::new(Layout::of(&vec![None; workers]))
}

/// Workers at all CPUs of a machine that is not this one, in their order.
fn placed(description: &str) -> (Barrier<usize>, usize) {
    let topology = Topology::from_synthetic(description).unwrap();
    let places: Vec<_> = topology.cpus.iter().copied().map(Some).collect();
    (Barrier::new(Layout::of(&places)), places.len())
}

/// On one thread, so that whoever waits would hang where the last one did not tell.
#[test]
fn the_last_arrival_tells_the_leader() {
    let mut barriers: Vec<_> = [1, 2, 8, 9, 64, 65, 127]
        .map(|workers| (unplaced(workers), workers))
        .into();
    barriers.push(placed("pack:2 numa:2 l3:1 group:6 core:4 pu:2"));
    for (barrier, workers) in barriers {
        for region in 1..4 {
            // SAFETY: the region before was waited for, and a number refers to nothing.
            unsafe { barrier.release(region, 10 * region as usize) };
            for worker in (0..workers).rev() {
                let seat = barrier.seat(worker);
                // SAFETY: it arrives at once.
                let next = unsafe { barrier.next_region(seat, region - 1) };
                assert_eq!(
                    next,
                    Some((region, 10 * region as usize)),
                    "worker {worker}"
                );
                barrier.arrive(seat, region);
            }
            barrier.wait_for_workers(region, region - 1);
        }
    }
}

#[test]
fn without_workers_there_is_nobody_to_wait_for() {
    let barrier = unplaced(0);
    // SAFETY: nobody reads what is released.
    unsafe { barrier.release(1, 0) };
    barrier.wait_for_workers(1, 0);
}

/// All sleep at once, soon, or spin, at the gates of four nodes.
#[test]
fn phases_follow_each_other_until_there_are_no_more() {
    for patience in [
        Duration::ZERO,
        Duration::from_micros(20),
        Duration::from_secs(10),
    ] {
        let (barrier, workers) = placed("pack:2 numa:2 core:1 pu:1");
        barrier.set_patience(patience, patience);
        let regions = 20u32;
        std::thread::scope(|scope| {
            let run = |worker| {
                let seat = barrier.seat(worker);
                let (mut seen, mut jobs) = (0, Vec::new());
                // SAFETY: this thread has the seat for itself, and arrives before it asks again.
                while let Some((region, job)) = unsafe { barrier.next_region(seat, seen) } {
                    jobs.push(job);
                    barrier.arrive(seat, region);
                    seen = region;
                }
                jobs
            };
            let handles: Vec<_> = (0..workers)
                .map(|worker| scope.spawn(move || run(worker)))
                .collect();
            for region in 1..=regions {
                // SAFETY: the region before was waited for, and a number refers to nothing.
                unsafe { barrier.release(region, region as usize) };
                barrier.stir();
                barrier.wait_for_workers(region, region - 1);
            }
            // SAFETY: the last region was waited for.
            unsafe { barrier.stop(regions + 1) };
            for handle in handles {
                let jobs = handle.join().unwrap();
                assert_eq!(jobs, (1..=regions as usize).collect::<Vec<_>>());
            }
        });
    }
}
