//! What the members of a team share, and the loop that members 1.. run on their own threads.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::barrier::Barrier;
use super::barrier::layout::Layout;
use crate::MachineError;
use crate::pin::pin_to;

/// While the leader leads: longer than any serial stretch of a step, short enough that a leader that
/// went away to wait for something does not burn a machine's worth of CPUs.
const ENGAGED_PATIENCE: Duration = Duration::from_millis(10);

/// After the leader left: long enough to be awake for the next token, even where the leader's CPU must
/// send the last one to its client in between; short enough not to disturb a team that shares the CPUs.
const IDLE_PATIENCE: Duration = Duration::from_micros(300);

/// A region's work, its type erased so that threads created long before can call it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    work: *const (),
    call: unsafe fn(*const (), usize),
}

// SAFETY: a job only ever refers to a closure that is `Sync` (required by `Job::new`), so calling it
// from other threads is what it allows.
unsafe impl Send for Job {}
// SAFETY: as above; the fields are plain addresses.
unsafe impl Sync for Job {}

impl Job {
    /// Refers to `work` without keeping it alive.
    pub(super) fn new<F: Fn(usize) + Sync>(work: &F) -> Job {
        /// # Safety
        /// `work` must come from a `&F` that is still valid.
        unsafe fn call<F: Fn(usize)>(work: *const (), worker: usize) {
            // SAFETY: the caller's promise.
            let work = unsafe { &*work.cast::<F>() };
            work(worker);
        }
        Job {
            work: std::ptr::from_ref(work).cast(),
            call: call::<F>,
        }
    }
}

/// What leader and workers share.
#[derive(Debug)]
pub(super) struct Shared {
    barrier: Barrier<Job>,
    /// Whether `panics` holds any, so that the lock is not taken in a region that went well.
    panicked: AtomicBool,
    panics: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl Shared {
    /// For workers beside the leader, laid out so; they sleep until told otherwise.
    pub(super) fn new(layout: Layout) -> Shared {
        Shared {
            barrier: Barrier::new(layout),
            panicked: AtomicBool::new(false),
            panics: Mutex::default(),
        }
    }

    /// The leader leads: if the team spins, workers wake now and stay awake.
    pub(super) fn set_engaged(&self, spins: bool) {
        if spins {
            self.barrier
                .set_patience(ENGAGED_PATIENCE, ENGAGED_PATIENCE);
            self.barrier.stir();
        }
    }

    /// The leader left: workers soon sleep.
    pub(super) fn set_idle(&self, spins: bool) {
        if spins {
            self.barrier.set_patience(ENGAGED_PATIENCE, IDLE_PATIENCE);
        }
    }

    /// Starts region number `region`.
    ///
    /// # Safety
    /// The region before must have been waited for, and what `job` refers to must live until
    /// [`Shared::wait_for_workers`] returns for this one.
    pub(super) unsafe fn release(&self, region: u32, job: Job) {
        // SAFETY: the caller's promises; it is the leader, who alone has regions to release.
        unsafe { self.barrier.release(region, job) };
    }

    /// Waits until every worker has finished `region`.
    pub(super) fn wait_for_workers(&self, region: u32, previous: u32) {
        self.barrier.wait_for_workers(region, previous);
    }

    /// What the workers raised in the region that was just waited for, in no particular order.
    pub(super) fn take_panics(&self) -> Vec<Box<dyn Any + Send>> {
        // Set before the worker arrived, and the leader has waited for that.
        if !self.panicked.load(Relaxed) {
            return Vec::new();
        }
        self.panicked.store(false, Relaxed);
        std::mem::take(&mut *self.panics.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends all workers; `region` is the number after the last region.
    ///
    /// # Safety
    /// The last region must have been waited for.
    pub(super) unsafe fn stop(&self, region: u32) {
        // SAFETY: the caller's promise; it is the leader.
        unsafe { self.barrier.stop(region) };
    }
}

/// The life of worker `worker` (1..): pin, report the refusal if there was one, then run regions.
pub(super) fn run(
    shared: &Shared,
    worker: usize,
    cpu: Option<usize>,
    report: Sender<Option<MachineError>>,
) {
    // A team that failed to start has stopped listening; its workers are about to be ended.
    let _ = report.send(cpu.and_then(|cpu| pin_to(cpu).err()));
    drop(report);
    let barrier = &shared.barrier;
    let seat = barrier.seat(worker - 1);
    let mut seen = 0;
    // SAFETY: this thread alone is worker `worker`, and arrives below before it asks again.
    while let Some((region, job)) = unsafe { barrier.next_region(seat, seen) } {
        // SAFETY: the leader keeps the closure alive until this worker has arrived.
        let result = catch_unwind(AssertUnwindSafe(|| unsafe { (job.call)(job.work, worker) }));
        if let Err(panic) = result {
            // Kept, not dropped: a payload whose drop panics must not end this thread.
            shared
                .panics
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(panic);
            shared.panicked.store(true, Relaxed);
        }
        barrier.arrive(seat, region);
        seen = region;
    }
}
