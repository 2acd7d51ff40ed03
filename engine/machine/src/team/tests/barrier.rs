//! The barrier with its leader and workers on real threads, and on one.

use std::time::Duration;

use crate::Topology;
use crate::team::barrier::layout::Layout;
use crate::team::barrier::{Barrier, Doers};

fn unplaced(workers: usize) -> Barrier<usize> {
    Barrier::new(Layout::of(&vec![None; workers]))
}

/// Waits and does nothing meanwhile.
fn nothing(_waited: Duration) -> bool {
    false
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
            unsafe { barrier.release(region, 10 * region as usize, Doers::Own) };
            for worker in (0..workers).rev() {
                let next = barrier.next_region(worker, region - 1, nothing);
                assert_eq!(next, Some(region), "worker {worker}");
                // SAFETY: it has just seen the region, and arrives at once.
                let job = unsafe { barrier.take(worker, worker, region) };
                assert_eq!(job, Some(10 * region as usize), "worker {worker}");
                barrier.arrive(worker, region);
            }
            barrier.wait_for_parts(region, region - 1, nothing);
        }
    }
}

#[test]
fn without_workers_there_is_nobody_to_wait_for() {
    let barrier = unplaced(0);
    // SAFETY: nobody reads what is released.
    unsafe { barrier.release(1, 0, Doers::All) };
    barrier.wait_for_parts(1, 0, nothing);
}

/// On one thread, with a worker that never comes: others do its part, once, and it finds nothing to do when it does.
#[test]
fn the_part_of_a_worker_that_is_late_is_done_by_others() {
    let (barrier, workers) = placed("pack:1 numa:2 core:2 pu:1");
    let late = 1;
    for region in 1..4 {
        // SAFETY: the region before was waited for, and a number refers to nothing.
        unsafe { barrier.release(region, 7, Doers::All) };
        let helper = workers - 1;
        assert_eq!(
            barrier.next_region(helper, region - 1, nothing),
            Some(region)
        );
        // SAFETY: it has just seen the region, and arrives below.
        while let Some((part, 7)) = unsafe { barrier.take_near(helper, region) } {
            assert!(part >= workers / 2, "part {part} is of another node");
            barrier.arrive(part, region);
        }
        assert_eq!(
            barrier.take_at(Some(0), region, |part| part != late),
            Some(0)
        );
        barrier.arrive(0, region);
        assert_eq!(barrier.take_at(Some(0), region, |part| part != late), None);
        assert_eq!(barrier.take_at(Some(0), region, |_| true), Some(late));
        barrier.arrive(late, region);
        barrier.wait_for_parts(region, region - 1, nothing);
    }
    assert_eq!(barrier.next_region(late, 0, nothing), Some(3), "the newest");
    // SAFETY: as above.
    assert_eq!(unsafe { barrier.take(late, late, 3) }, None);
}

/// What belongs to a thread is done by no other.
#[test]
fn parts_that_are_their_workers_own_are_nobody_elses() {
    let barrier = unplaced(2);
    // SAFETY: no region was before, and a number refers to nothing.
    unsafe { barrier.release(1, 0, Doers::Own) };
    assert_eq!(barrier.next_region(0, 0, nothing), Some(1));
    // SAFETY: it has just seen the region.
    assert_eq!(unsafe { barrier.take_near(0, 1) }, None);
    assert_eq!(barrier.take_at(Some(0), 1, |_| true), None);
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
                let (mut seen, mut jobs) = (0, Vec::new());
                while let Some(region) = barrier.next_region(worker, seen, nothing) {
                    // SAFETY: this thread alone is the worker, has just seen the region, and arrives at once.
                    jobs.extend(unsafe { barrier.take(worker, worker, region) });
                    barrier.arrive(worker, region);
                    seen = region;
                }
                jobs
            };
            let handles: Vec<_> = (0..workers)
                .map(|worker| scope.spawn(move || run(worker)))
                .collect();
            for region in 1..=regions {
                // SAFETY: the region before was waited for, and a number refers to nothing.
                unsafe { barrier.release(region, region as usize, Doers::Own) };
                barrier.stir();
                barrier.wait_for_parts(region, region - 1, nothing);
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
