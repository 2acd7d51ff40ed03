//! How the leader learns that all parts are done: a tree of counters that are counted up.

use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::time::Duration;

use super::OwnLine;
use super::gate::{Gate, Patience};
use super::layout::Step;
use super::sync::AtomicU32;

/// Tells the leader when all parts are arrived at: each is counted where its worker has its seat, the last
/// there is counted at the next counter, and the last of all opens the gate where the leader waits. So
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

    /// A part whose first step is `step` is done in region number `region`; call once per part and
    /// region. Without a step it is the only part.
    ///
    /// Each counter is reset by the one who completes it, before it passes the news on: nobody
    /// counts again until the leader has heard the news and released the next region. The AcqRel
    /// additions chain what all have written, and the resets, into the opening of the gate.
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

    /// Returns once every part of `region`, the one after `previous`, is done; all that was written is
    /// then visible to the caller. There must be workers. `meanwhile` is as in [`Gate::wait_past`].
    pub(crate) fn wait_for_all(
        &self,
        region: u32,
        previous: u32,
        patience: &Patience,
        meanwhile: impl FnMut(Duration) -> bool,
    ) {
        let complete = self.complete.wait_past(previous, patience, meanwhile);
        debug_assert_eq!(complete, region);
    }
}
