//! What the barrier is made of: all that it has from the hardware, the kernel and the clock. The model
//! of the barrier (`tests/barrier_model`) builds the same files on other parts of these names.

use std::cell;
use std::sync::atomic::Ordering;

use rustix::thread::futex;

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, fence};
pub(crate) use std::time::Instant;

/// Looks at a gate between two looks at the clock.
pub(crate) const LOOKS_PER_CLOCK: u32 = 64;

/// A number that threads can sleep on.
#[derive(Debug, Default)]
pub(crate) struct Futex(AtomicU32);

impl Futex {
    /// Reads it.
    pub(crate) fn load(&self, order: Ordering) -> u32 {
        self.0.load(order)
    }

    /// Changes it; wakes nobody.
    pub(crate) fn store(&self, number: u32, order: Ordering) {
        self.0.store(number, order);
    }

    /// Sleeps until woken, unless the number is no longer `seen`. The kernel compares and queues under
    /// the lock that waking takes. May also return for no reason.
    pub(crate) fn wait(&self, seen: u32) {
        // Every way to return (woken, number changed, signal) leads to the caller's next look.
        let _ = futex::wait(&self.0, futex::Flags::PRIVATE, seen, None);
    }

    /// Wakes all who sleep on it.
    pub(crate) fn wake_all(&self) {
        // Waking a futex that exists cannot fail.
        let _ = futex::wake(&self.0, futex::Flags::PRIVATE, i32::MAX as u32);
    }
}

/// A value that one thread writes and others read, at times that the barrier keeps apart.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    /// Holds `value`.
    pub(crate) fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell(cell::UnsafeCell::new(value))
    }

    /// Where it may be read while nobody writes.
    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    /// Where it may be written while nobody else reads or writes.
    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// Lets the sibling hardware thread and the memory pipeline breathe between two looks.
#[cfg(not(target_arch = "aarch64"))]
pub(crate) fn relax() {
    std::hint::spin_loop();
}

/// Lets the memory pipeline breathe between two looks. `spin_loop` is `isb` on most arm64 targets
/// today but was `yield`, a no-op on cores without SMT; this does not depend on which.
#[cfg(target_arch = "aarch64")]
pub(crate) fn relax() {
    // SAFETY: `isb` flushes the pipeline; it touches no memory, stack or flags.
    unsafe { std::arch::asm!("isb", options(nomem, nostack, preserves_flags)) };
}
