//! A gate: it opens by changing its number. Who waits spins for a while, then sleeps in the kernel.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::time::Duration;

use super::OwnLine;
use super::sync::{
    AtomicU32, AtomicU64, Futex, Instant, LOOKS_PER_CLOCK, UnsafeCell, fence, relax,
};

/// How long to spin before sleeping; shared by all waiters and changed while they wait.
#[derive(Debug, Default)]
pub(crate) struct Patience(OwnLine<AtomicU64>);

impl Patience {
    /// Sets it, in effect at each waiter's next look at the clock. Zero: sleep at once.
    pub(crate) fn set(&self, patience: Duration) {
        let nanoseconds = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        // It steers how waiters wait and guards no data, so no ordering is needed.
        self.0.0.store(nanoseconds, Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_nanos(self.0.0.load(Relaxed))
    }
}

/// A number that one side changes and others wait on, with a payload that travels on its cache line.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Gate<T> {
    line: OwnLine<(Futex, UnsafeCell<T>)>,
    sleepers: OwnLine<AtomicU32>,
}

// SAFETY: the payload is written by `open_all` and read by `payload` under their contracts, which
// exclude a write beside any other access; `T: Send + Sync` since it is read on several threads.
unsafe impl<T: Send + Sync> Sync for Gate<T> {}

impl<T: Copy> Gate<T> {
    /// A gate whose number is 0.
    pub(crate) fn new(payload: T) -> Gate<T> {
        Gate {
            line: OwnLine((Futex::default(), UnsafeCell::new(payload))),
            sleepers: OwnLine::default(),
        }
    }

    fn number(&self) -> &Futex {
        &self.line.0.0
    }

    /// Changes the number of all `gates`, which publishes the payload and everything written before,
    /// and wakes who sleeps there.
    ///
    /// # Safety
    /// No other thread may be reading a payload: all who saw the last number must have said so
    /// (with release ordering) to the caller (with acquire ordering).
    pub(crate) unsafe fn open_all(gates: &[Gate<T>], number: u32, payload: T) {
        for gate in gates {
            // SAFETY: the caller excludes concurrent access.
            gate.line.0.1.with_mut(|place| unsafe { *place = payload });
            gate.number().store(number, Release);
        }
        // The opener's half of the agreement in `sleep`; all gates share it, since it is dear.
        fence(SeqCst);
        for gate in gates {
            gate.wake_sleepers();
        }
    }

    /// Wakes sleepers without opening: they look at their patience anew. One who had read it and was
    /// about to sleep may be missed; that one sleeps until the gate opens.
    pub(crate) fn stir_all(gates: &[Gate<T>]) {
        for gate in gates {
            gate.wake_sleepers();
        }
    }

    fn wake_sleepers(&self) {
        if self.sleepers.0.load(Relaxed) != 0 {
            self.number().wake_all();
        }
    }

    /// The payload that came with the last number.
    ///
    /// # Safety
    /// The caller must have seen that number by [`Gate::wait_past`] and not yet have told the opener
    /// that it is done with it.
    pub(crate) unsafe fn payload(&self) -> T {
        // SAFETY: written before the number that the caller saw, not written again until it says.
        self.line.0.1.with(|place| unsafe { *place })
    }

    /// Returns the number once it is no longer `seen`. What was written before it changed is then
    /// visible to the caller. `meanwhile` is called before it sleeps, and now and then before that, with the time
    /// that it has waited; if it did something, waiting begins anew.
    pub(crate) fn wait_past(
        &self,
        seen: u32,
        patience: &Patience,
        mut meanwhile: impl FnMut(Duration) -> bool,
    ) -> u32 {
        let mut waiting_since: Option<(Instant, Duration)> = None;
        loop {
            let number = self.number().load(Acquire);
            if number != seen {
                return number;
            }
            let limit = patience.get();
            if limit.is_zero() {
                if !meanwhile(Duration::ZERO) {
                    self.sleep(seen);
                }
                continue;
            }
            for _ in 0..LOOKS_PER_CLOCK {
                relax();
                let number = self.number().load(Acquire);
                if number != seen {
                    return number;
                }
            }
            let now = Instant::now();
            let waited = match waiting_since {
                Some((since, same)) if same == limit => now.duration_since(since),
                _ => {
                    waiting_since = Some((now, limit));
                    Duration::ZERO
                }
            };
            if meanwhile(waited) {
                waiting_since = None;
            } else if waited >= limit {
                self.sleep(seen);
                waiting_since = None;
            }
        }
    }

    /// Sleeps until the gate opens or is stirred; may also return for no reason.
    ///
    /// No wake-up is lost. Both sides write, pass a full fence, then read what the other writes: we
    /// count ourselves and look at the number, the opener changes the number and looks at the count.
    /// The fences have one order. If the opener's is first, our look here or the kernel's sees the
    /// new number, and we do not sleep. If ours is first, the opener sees our count, and wakes; the
    /// kernel compares and queues under the lock that waking takes, so that the wake-up finds us
    /// queued, or the kernel the new number.
    fn sleep(&self, seen: u32) {
        self.sleepers.0.fetch_add(1, Relaxed);
        fence(SeqCst);
        if self.number().load(Relaxed) == seen {
            self.number().wait(seen);
        }
        // Late is harmless: an opener that still counts us wakes nobody.
        self.sleepers.0.fetch_sub(1, Relaxed);
    }
}
