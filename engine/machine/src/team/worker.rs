//! What the members of a team share, and the loop that members 1.. run on their own threads.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::barrier::{Arrival, Gate, Patience};
use crate::MachineError;
use crate::pin::pin_to;

/// While the leader leads: longer than any serial stretch of a step, short enough that a leader that
/// went away to wait for something does not burn a machine's worth of CPUs.
const ENGAGED_PATIENCE: Duration = Duration::from_millis(10);

/// After the leader left: long enough to be awake for the next token, even where the leader's CPU must
/// send the last one to its client in between; short enough not to disturb a team that shares the CPUs.
const IDLE_PATIENCE: Duration = Duration::from_micros(300);

/// A phase's work, its type erased so that threads created long before can call it.
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

    /// Does nothing; the gate needs a payload before the first phase.
    fn none() -> Job {
        fn ignore(_work: *const (), _worker: usize) {}
        Job {
            work: std::ptr::null(),
            call: ignore,
        }
    }
}

/// What leader and workers share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Opened by the leader, once per phase, with the phase's number and job.
    start: Gate<Job>,
    /// Completed by the workers, once per phase.
    arrival: Arrival,
    worker_patience: Patience,
    leader_patience: Patience,
    stop: AtomicBool,
    /// Whether `panics` holds any, so that the lock is not taken in a phase that went well.
    panicked: AtomicBool,
    panics: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl Shared {
    /// For `workers` members beside the leader; they sleep until told otherwise.
    pub(super) fn new(workers: usize) -> Shared {
        Shared {
            start: Gate::new(Job::none()),
            arrival: Arrival::new(workers),
            worker_patience: Patience::default(),
            leader_patience: Patience::default(),
            stop: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
            panics: Mutex::default(),
        }
    }

    /// The leader leads: if the team spins, workers wake now and stay awake.
    pub(super) fn set_engaged(&self, spins: bool) {
        if spins {
            self.worker_patience.set(ENGAGED_PATIENCE);
            self.leader_patience.set(ENGAGED_PATIENCE);
            self.start.stir();
        }
    }

    /// The leader left: workers soon sleep.
    pub(super) fn set_idle(&self, spins: bool) {
        self.worker_patience
            .set(if spins { IDLE_PATIENCE } else { Duration::ZERO });
    }

    /// Starts phase number `phase`.
    ///
    /// # Safety
    /// The phase before must have been waited for, and what `job` refers to must live until
    /// [`Shared::wait_for_workers`] returns for this one.
    pub(super) unsafe fn release(&self, phase: u32, job: Job) {
        // SAFETY: all workers arrived at the phase before and read the payload before that.
        unsafe { self.start.open_with(phase, job) };
    }

    /// Waits until every worker has finished `phase`.
    pub(super) fn wait_for_workers(&self, phase: u32, previous: u32) {
        self.arrival
            .wait_for_all(phase, previous, &self.leader_patience);
    }

    /// What the workers raised in the phase that was just waited for, in no particular order.
    pub(super) fn take_panics(&self) -> Vec<Box<dyn Any + Send>> {
        // Set before the worker arrived, and the leader has waited for that.
        if !self.panicked.load(Relaxed) {
            return Vec::new();
        }
        self.panicked.store(false, Relaxed);
        std::mem::take(&mut *self.panics.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends all workers; `phase` is the number after the last phase.
    pub(super) fn stop(&self, phase: u32) {
        self.stop.store(true, Release);
        self.start.open(phase);
    }
}

/// The life of worker `worker` (1..): pin, report the refusal if there was one, then run phases.
pub(super) fn run(
    shared: &Shared,
    worker: usize,
    cpu: Option<usize>,
    report: Sender<Option<MachineError>>,
) {
    // A team that failed to start has stopped listening; its workers are about to be ended.
    let _ = report.send(cpu.and_then(|cpu| pin_to(cpu).err()));
    drop(report);
    let mut phase = 0;
    loop {
        phase = shared.start.wait_past(phase, &shared.worker_patience);
        if shared.stop.load(Acquire) {
            return;
        }
        // SAFETY: this phase's number was just seen, and this worker has not arrived yet.
        let job = unsafe { shared.start.payload() };
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
        shared.arrival.arrive(worker - 1, phase);
    }
}
