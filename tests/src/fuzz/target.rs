//! One kind of hostile input and the bounds that hold for it.

use super::allocation::{self, Allocated};

/// No single allocation that a file causes may be larger than this many times the file.
pub const LARGEST_PER_FILE_BYTE: usize = 4;

/// What every input may cost however short it is: regular expressions compile to some 50 KB, hash
/// tables and buffers start at a few KB.
pub(super) const SMALL_FLOOR_BYTES: usize = 64 << 10;

/// One kind of hostile input.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the fuzz target and of its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Uses the bytes as a user's program would; panics on a broken promise.
    pub run: fn(&[u8]),
    /// The largest allocation that an empty input may cause.
    pub largest_floor_bytes: usize,
    /// The largest allocation for each byte of input, above `largest_floor_bytes`.
    pub largest_per_input_byte: usize,
    /// Live bytes at the peak for each byte of input, above `peak_floor_bytes`.
    pub peak_per_input_byte: usize,
    /// The same for an empty input.
    pub peak_floor_bytes: usize,
}

impl Target {
    /// The most that an input of this length may make us allocate.
    pub fn bounds(&self, input_bytes: usize) -> Allocated {
        Allocated {
            largest_bytes: self.largest_floor_bytes + self.largest_per_input_byte * input_bytes,
            peak_bytes: self.peak_floor_bytes + self.peak_per_input_byte * input_bytes,
        }
    }

    /// Runs the input and holds it against the bounds on memory, where the allocator counts.
    ///
    /// # Panics
    /// If a promise or a bound is broken.
    pub fn check(&self, data: &[u8]) -> Allocated {
        allocation::start();
        (self.run)(data);
        let allocated = allocation::taken();
        let bounds = self.bounds(data.len());
        assert!(
            allocated.largest_bytes <= bounds.largest_bytes
                && allocated.peak_bytes <= bounds.peak_bytes,
            "{}: {} bytes of input: {allocated:?}, allowed are {bounds:?}",
            self.name,
            data.len()
        );
        allocated
    }

    /// Makes what runs share (vocabularies, folders for files), so that no run is charged for it.
    pub fn prepare(&self) {
        (self.run)(&[]);
    }
}

/// Bytes as text, in the way of an operating system: what is no UTF-8 becomes U+FFFD.
pub(super) fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}
