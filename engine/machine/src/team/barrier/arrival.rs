//! How the leader learns that all workers are done: a tree of counters that workers count up.

use std::sync::atomic::Ordering::{AcqRel, Relaxed};

use super::OwnLine;
use super::gate::{Gate, Patience};
use super::layout::Step;
use super::sync::AtomicU32;

/// Tells the leader when all workers have arrived: each counts up where it has its seat, the last
/// there counts up at the next counter, and the last of all opens the gate where the leader waits. So
/// 128 workers never queue for one line.
#[derive(Debug)]
pub(crate) struct Arrival {
    counters: Box<[OwnLine<Counter>]>,
    complete: Gate<()>,
}

/// A step of the tree and how many have arrived at it. The step does not change; it is here because
/// who arrives has this line already.
#[derive(Debug)]
struct Counter {
    arrived: AtomicU32,
    step: Step,
}

impl Arrival {
    /// The tree of these steps.
    pub(crate) fn new(steps: &[Step]) -> Arrival {
        let counter = |&step| {
            OwnLine(Counter {
                arrived: AtomicU32::new(0),
                step,
            })
        };
        Arrival {
            counters: steps.iter().map(counter).collect(),
            complete: Gate::new(()),
        }
    }

    /// A worker whose first step is `step` has finished region number `region`; call once per worker and
    /// region. Without a step it is the only worker.
    ///
    /// Each counter is reset by the one who completes it, before it passes the news on: no worker
    /// counts again until the leader has heard the news and released the next region. The AcqRel
    /// additions chain what all workers wrote, and the resets, into the opening of the gate.
    pub(crate) fn arrive(&self, mut step: Option<usize>, region: u32) {
        while let Some(index) = step {
            let counter = &self.counters[index].0;
            if counter.arrived.fetch_add(1, AcqRel) + 1 != counter.step.arrivals {
                return;
            }
            counter.arrived.store(0, Relaxed);
            step = counter.step.next;
        }
        // SAFETY: the payload is nothing, so nobody reads it.
        unsafe { Gate::open_all(std::slice::from_ref(&self.complete), region, ()) };
    }

    /// Returns once every worker has finished `region`, the one after `previous`; all their writes are
    /// then visible to the caller. There must be workers.
    pub(crate) fn wait_for_all(&self, region: u32, previous: u32, patience: &Patience) {
        let complete = self.complete.wait_past(previous, patience);
        debug_assert_eq!(complete, region);
    }
}
