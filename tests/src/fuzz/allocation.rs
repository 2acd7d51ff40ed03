//! What a run allocates on its own thread: the largest single allocation and the peak of live bytes.
//!
//! The figures come from a global allocator that calls [`grew`] and [`shrank`]; a library cannot
//! install one without `unsafe`, so the binaries do (`tests/tests/counting/mod.rs`). Without it all
//! figures are 0, which [`is_counting`] tells.

use std::cell::Cell;

/// What was allocated since [`start`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocated {
    /// Bytes of the largest allocation or reallocation.
    pub largest_bytes: usize,
    /// Most bytes that were live at once, beyond those at the start.
    pub peak_bytes: usize,
}

// Without destructors and lazy values, so that an allocator may touch them at any time.
thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Tells of an allocation of `bytes` by this thread.
pub fn grew(bytes: usize) {
    LARGEST.set(LARGEST.get().max(bytes));
    LIVE.set(LIVE.get().saturating_add_unsigned(bytes));
    PEAK.set(PEAK.get().max(LIVE.get()));
}

/// Tells of `bytes` that this thread gave back. Another thread may have allocated them, so live bytes
/// can fall below 0.
pub fn shrank(bytes: usize) {
    LIVE.set(LIVE.get().saturating_sub_unsigned(bytes));
}

/// Begins a measurement on this thread.
pub fn start() {
    LARGEST.set(0);
    LIVE.set(0);
    PEAK.set(0);
}

/// What this thread allocated since [`start`].
pub fn taken() -> Allocated {
    Allocated {
        largest_bytes: LARGEST.get(),
        peak_bytes: usize::try_from(PEAK.get()).unwrap_or(0),
    }
}

/// Whether this binary's allocator counts at all.
pub fn is_counting() -> bool {
    let before = (LARGEST.get(), LIVE.get(), PEAK.get());
    start();
    drop(std::hint::black_box(Box::new([0_u8; 64])));
    let counts = taken().largest_bytes >= 64;
    LARGEST.set(before.0);
    LIVE.set(before.1);
    PEAK.set(before.2);
    counts
}
