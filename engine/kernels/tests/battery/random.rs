//! Test data.

use sysinfer_random::SplitMix64;

/// Numbers from a seed, the same on every machine.
pub(crate) struct Random(SplitMix64);

impl Random {
    /// Those of `seed`.
    pub(crate) fn new(seed: u64) -> Random {
        Random(SplitMix64(seed))
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_bits()
    }

    /// Uniform in -1..1.
    pub(crate) fn unit(&mut self) -> f32 {
        2.0 * self.0.unit() - 1.0
    }

    /// Uniform below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.below(end)
    }

    /// One of two.
    pub(crate) fn flip(&mut self) -> bool {
        self.next() >> 63 == 0
    }
}
