//! The parts that the barrier is made of (`src/team/sync.rs`), as loom has them. Loads may return any
//! value that the memory model allows, so what is right here is so on arm64 too.

use std::sync::atomic::AtomicBool as Flag;
use std::sync::atomic::Ordering::{self, Relaxed};
use std::time::Duration;

use loom::sync::{Condvar, Mutex};

pub(crate) use loom::cell::UnsafeCell;
pub(crate) use loom::hint::spin_loop as relax;
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

/// One look more, or the model would not end.
pub(crate) const LOOKS_PER_CLOCK: u32 = 1;

thread_local! {
    /// Whether fences do nothing on this thread, to show that the model misses them. All threads of a
    /// model run on the thread of its test.
    pub(crate) static WITHOUT_FENCES: Flag = const { Flag::new(false) };
}

/// A fence, unless the test is about its absence.
pub(crate) fn fence(order: Ordering) {
    if !WITHOUT_FENCES.with(|without| without.load(Relaxed)) {
        loom::sync::atomic::fence(order);
    }
}

/// A clock by which any patience is over at the second look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant;

impl Instant {
    pub(crate) fn now() -> Instant {
        Instant
    }

    pub(crate) fn duration_since(&self, _earlier: Instant) -> Duration {
        Duration::MAX
    }
}

/// The kernel's futex: it compares and queues under the lock that waking takes. The comparison itself
/// orders nothing, less than the kernel's does.
#[derive(Debug, Default)]
pub(crate) struct Futex {
    number: AtomicU32,
    queue: Mutex<()>,
    woken: Condvar,
}

impl Futex {
    pub(crate) fn load(&self, order: Ordering) -> u32 {
        self.number.load(order)
    }

    pub(crate) fn store(&self, number: u32, order: Ordering) {
        self.number.store(number, order);
    }

    pub(crate) fn wait(&self, seen: u32) {
        let queue = self.queue.lock().expect("nobody panics with the lock");
        if self.number.load(Relaxed) == seen {
            drop(self.woken.wait(queue));
        }
    }

    pub(crate) fn wake_all(&self) {
        let queue = self.queue.lock().expect("nobody panics with the lock");
        self.woken.notify_all();
        drop(queue);
    }
}
