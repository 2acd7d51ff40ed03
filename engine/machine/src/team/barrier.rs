//! How the members of a team wait for each other: a gate that opens by changing its number (spin for
//! a while, then sleep in the kernel), and an arrival tree that tells the leader when all are done.

use std::cell::UnsafeCell;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::{Duration, Instant};

use rustix::thread::futex;

/// One value per 128 bytes: two lines, because x86 fetches lines in pairs and some arm64 caches have
/// 128-byte lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct OwnLine<T>(pub(crate) T);

/// Arrivals that meet on one counter; more would queue for the line, fewer would deepen the tree.
const ARRIVALS_PER_GROUP: usize = 8;

/// Looks at the gate between two looks at the clock.
const LOOKS_PER_CLOCK: u32 = 64;

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
    line: OwnLine<(AtomicU32, UnsafeCell<T>)>,
    sleepers: OwnLine<AtomicU32>,
}

// SAFETY: the payload is written by `open_with` and read by `payload` under their contracts, which
// exclude a write beside any other access; `T: Send + Sync` since it is read on several threads.
unsafe impl<T: Send + Sync> Sync for Gate<T> {}

impl<T> Gate<T> {
    /// A gate whose number is 0.
    pub(crate) fn new(payload: T) -> Gate<T> {
        Gate {
            line: OwnLine((AtomicU32::new(0), UnsafeCell::new(payload))),
            sleepers: OwnLine::default(),
        }
    }

    fn number(&self) -> &AtomicU32 {
        &self.line.0.0
    }

    /// Changes the number, which publishes everything written before, and wakes who sleeps.
    pub(crate) fn open(&self, number: u32) {
        // Release publishes; SeqCst besides, for the agreement with `sleep` about who saw what.
        self.number().store(number, SeqCst);
        if self.sleepers.0.load(SeqCst) != 0 {
            self.wake_all();
        }
    }

    /// As [`Gate::open`], with a new payload.
    ///
    /// # Safety
    /// No other thread may be reading the payload: all who saw the last number must have said so
    /// (with release ordering) to the caller (with acquire ordering).
    pub(crate) unsafe fn open_with(&self, number: u32, payload: T) {
        // SAFETY: the caller excludes concurrent access.
        unsafe { *self.line.0.1.get() = payload };
        self.open(number);
    }

    /// Wakes sleepers without opening: they look at their patience anew.
    pub(crate) fn stir(&self) {
        if self.sleepers.0.load(SeqCst) != 0 {
            self.wake_all();
        }
    }

    fn wake_all(&self) {
        // Waking a futex that exists cannot fail.
        let _ = futex::wake(self.number(), futex::Flags::PRIVATE, i32::MAX as u32);
    }

    /// Returns the number once it is no longer `seen`. What was written before it changed is then
    /// visible to the caller.
    pub(crate) fn wait_past(&self, seen: u32, patience: &Patience) -> u32 {
        let mut waiting_since: Option<(Instant, Duration)> = None;
        loop {
            let number = self.number().load(Acquire);
            if number != seen {
                return number;
            }
            let limit = patience.get();
            if limit.is_zero() {
                self.sleep(seen);
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
            match waiting_since {
                Some((since, same)) if same == limit => {
                    if now.duration_since(since) >= limit {
                        self.sleep(seen);
                        waiting_since = None;
                    }
                }
                _ => waiting_since = Some((now, limit)),
            }
        }
    }

    /// Sleeps until the gate opens or is stirred; may also return for no reason.
    ///
    /// No wake-up is lost: in the single order of the four SeqCst accesses, either the opener's
    /// store precedes our check here or in the kernel, and we do not sleep; or our count precedes
    /// its look at `sleepers`, and it wakes. The kernel compares and queues under the lock that
    /// waking takes, so no wake-up falls between the two.
    fn sleep(&self, seen: u32) {
        self.sleepers.0.fetch_add(1, SeqCst);
        if self.number().load(SeqCst) == seen {
            // Every way to return (woken, number changed, signal) leads back to the caller's look.
            let _ = futex::wait(self.number(), futex::Flags::PRIVATE, seen, None);
        }
        self.sleepers.0.fetch_sub(1, SeqCst);
    }
}

impl<T: Copy> Gate<T> {
    /// The payload that came with the last number.
    ///
    /// # Safety
    /// The caller must have seen that number by [`Gate::wait_past`] and not yet have told the opener
    /// that it is done with it.
    pub(crate) unsafe fn payload(&self) -> T {
        // SAFETY: written before the number that the caller saw, not written again until it says.
        unsafe { *self.line.0.1.get() }
    }
}

/// Tells the leader when all members have arrived: members count up in groups of at most
/// [`ARRIVALS_PER_GROUP`], the last of a group counts up at the root, the last there opens the gate.
/// So 128 members never queue for one line, and neighbours, which share caches, meet first.
#[derive(Debug)]
pub(crate) struct Arrival {
    groups: Box<[OwnLine<AtomicU32>]>,
    root: OwnLine<AtomicU32>,
    members: usize,
    complete: Gate<()>,
}

impl Arrival {
    /// For members `0..members`.
    pub(crate) fn new(members: usize) -> Arrival {
        let groups = members.div_ceil(ARRIVALS_PER_GROUP);
        Arrival {
            groups: (0..groups).map(|_| OwnLine::default()).collect(),
            root: OwnLine::default(),
            members,
            complete: Gate::new(()),
        }
    }

    /// `member` has finished phase number `phase`; call once per member and phase.
    ///
    /// Each counter is reset by the one who completes it, before it passes the news on: no member
    /// counts again until the leader has heard the news and released the next phase. The AcqRel
    /// additions chain what all members wrote into the release of [`Gate::open`].
    pub(crate) fn arrive(&self, member: usize, phase: u32) {
        let group = member / ARRIVALS_PER_GROUP;
        let size = ARRIVALS_PER_GROUP.min(self.members - group * ARRIVALS_PER_GROUP);
        if complete_count(&self.groups[group].0, size)
            && (self.groups.len() == 1 || complete_count(&self.root.0, self.groups.len()))
        {
            self.complete.open(phase);
        }
    }

    /// Returns once every member has finished `phase`, the one after `previous`; all their writes
    /// are then visible to the caller.
    pub(crate) fn wait_for_all(&self, phase: u32, previous: u32, patience: &Patience) {
        if self.members > 0 {
            let complete = self.complete.wait_past(previous, patience);
            debug_assert_eq!(complete, phase);
        }
    }
}

/// Counts one arrival; true for the one that makes the counter complete, which also resets it.
fn complete_count(counter: &AtomicU32, size: usize) -> bool {
    let last = counter.fetch_add(1, AcqRel) as usize + 1 == size;
    if last {
        counter.store(0, Release);
    }
    last
}

/// Lets the sibling hardware thread and the memory pipeline breathe between two looks.
#[cfg(not(target_arch = "aarch64"))]
fn relax() {
    std::hint::spin_loop();
}

/// Lets the memory pipeline breathe between two looks. `spin_loop` is `isb` on most arm64 targets
/// today but was `yield`, a no-op on cores without SMT; this does not depend on which.
#[cfg(target_arch = "aarch64")]
fn relax() {
    // SAFETY: `isb` flushes the pipeline; it touches no memory, stack or flags.
    unsafe { std::arch::asm!("isb", options(nomem, nostack, preserves_flags)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrival_tree_completes_on_the_last_member_only() {
        for members in [1, 2, 8, 9, 64, 65, 127] {
            let arrival = Arrival::new(members);
            for phase in 1..4 {
                for member in (0..members).rev() {
                    assert_eq!(
                        arrival.complete.number().load(Acquire),
                        phase - 1,
                        "{members}"
                    );
                    arrival.arrive(member, phase);
                }
                arrival.wait_for_all(phase, phase - 1, &Patience::default());
            }
        }
    }

    #[test]
    fn a_sleeper_wakes_when_the_gate_opens() {
        for patience in [
            Duration::ZERO,
            Duration::from_micros(20),
            Duration::from_secs(10),
        ] {
            let gate = Gate::new(0u32);
            let limit = Patience::default();
            limit.set(patience);
            std::thread::scope(|scope| {
                let waiter = scope.spawn(|| {
                    let number = gate.wait_past(0, &limit);
                    // SAFETY: the number was seen, and the opener writes only once.
                    (number, unsafe { gate.payload() })
                });
                // SAFETY: the waiter reads only after the number changed.
                unsafe { gate.open_with(7, 42) };
                assert_eq!(waiter.join().unwrap(), (7, 42));
            });
        }
    }
}
