//! What the members of a team share, and the loop that members 1.. run on their own threads.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::barrier::layout::Layout;
use super::barrier::{Barrier, Doers};
use super::crowd::{Crowd, Turn};
use crate::MachineError;
use crate::cpu_time::own_thread;
use crate::pin::pin_to;

/// While the leader leads: longer than any serial stretch of a step, short enough that a leader that
/// went away to wait for something does not burn a machine's worth of CPUs.
const ENGAGED_PATIENCE: Duration = Duration::from_millis(10);

/// After the leader left: long enough to be awake for the next token, even where the leader's CPU must
/// send the last one to its client in between; short enough not to disturb a team that shares the CPUs.
const IDLE_PATIENCE: Duration = Duration::from_micros(300);

/// After this, a worker that waits does parts of its node that nobody has begun: their workers have no CPU.
const HELPS_AFTER: Duration = Duration::from_micros(50);

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
    /// The gate of the workers of the leader's node, if there are any.
    leader_gate: Option<usize>,
    /// Who has no CPU of its own now, and what is done about it.
    pub(super) crowd: Crowd,
    /// Whether `panics` holds any, so that the lock is not taken in a region that went well.
    panicked: AtomicBool,
    panics: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl Shared {
    /// For workers beside the leader, laid out so, of which those at `leader_gate` are on its node; they sleep until
    /// told otherwise.
    pub(super) fn new(layout: Layout, leader_gate: Option<usize>) -> Shared {
        Shared {
            leader_gate,
            crowd: Crowd::new(layout.seats.len()),
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
    /// [`Shared::finish`] returns for this one.
    pub(super) unsafe fn release(&self, region: u32, job: Job, doers: Doers) {
        // SAFETY: the caller's promises; it is the leader, who alone has regions to release.
        unsafe { self.barrier.release(region, job, doers) };
    }

    /// Waits until every part of `region` is done, and does those of its node that no worker has begun.
    ///
    /// # Safety
    /// As [`Shared::release`], for the job that was released.
    pub(super) unsafe fn finish(&self, region: u32, previous: u32, job: Job) {
        let help = |part: Option<usize>| {
            // SAFETY: the caller's promise.
            part.map(|part| unsafe { self.do_part(job, part, region) })
                .is_some()
        };
        let gate = self.leader_gate;
        if self.crowd.anyone_makes_room() {
            let away = |part| self.crowd.is_away(part);
            while help(self.barrier.take_at(gate, region, away)) {}
        }
        self.barrier.wait_for_parts(region, previous, |waited| {
            self.crowd.note_wait(waited);
            help(self.barrier.take_at(gate, region, |_| true))
        });
    }

    /// Does a part that was taken.
    ///
    /// # Safety
    /// What `job` refers to lives until the part is arrived at.
    unsafe fn do_part(&self, job: Job, part: usize, region: u32) {
        // Jobs count members, of whom the leader is number 0.
        // SAFETY: the caller's promise.
        let result = catch_unwind(AssertUnwindSafe(|| unsafe {
            (job.call)(job.work, part + 1);
        }));
        if let Err(panic) = result {
            // Kept, not dropped: a payload whose drop panics must not end this thread.
            self.panics
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(panic);
            self.panicked.store(true, Relaxed);
        }
        self.barrier.arrive(part, region);
    }

    /// What was raised by the parts of workers in the region that was just waited for, in no particular order.
    pub(super) fn take_panics(&self) -> Vec<Box<dyn Any + Send>> {
        // Set before the part was arrived at, and the leader has waited for that.
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

/// What a worker says of itself when it begins.
#[derive(Debug)]
pub(super) struct Began {
    pub(super) worker: usize,
    /// The system's number of its thread.
    pub(super) thread: u32,
    /// Why it could not be pinned.
    pub(super) refused: Option<MachineError>,
}

/// The life of worker `worker`, counted from 0 without the leader: pin, say so, then run regions.
pub(super) fn run(shared: &Shared, worker: usize, cpu: Option<usize>, report: Sender<Began>) {
    let began = Began {
        worker,
        thread: own_thread(),
        refused: cpu.and_then(|cpu| pin_to(cpu).err()),
    };
    // A team that failed to start has stopped listening; its workers are about to be ended.
    let _ = report.send(began);
    drop(report);
    let barrier = &shared.barrier;
    let (mut seen, mut turn) = (0, Turn::default());
    let help = |seen: u32, waited: Duration| {
        shared.crowd.note_wait(waited);
        if seen == 0 || waited < HELPS_AFTER {
            return false;
        }
        // SAFETY: this worker has seen the region last of all, and arrives in `do_part`.
        let taken = unsafe { barrier.take_near(worker, seen) };
        // SAFETY: the leader keeps the closure alive until the part is arrived at.
        taken
            .map(|(part, job)| unsafe { shared.do_part(job, part, seen) })
            .is_some()
    };
    while let Some(region) = barrier.next_region(worker, seen, |waited| help(seen, waited)) {
        seen = region;
        // SAFETY: this worker has just seen the region, and arrives in `do_part`.
        if let Some(job) = unsafe { barrier.take(worker, worker, region) } {
            // SAFETY: as above.
            unsafe { shared.do_part(job, worker, region) };
        }
        shared.crowd.make_room(worker, &mut turn);
    }
}
