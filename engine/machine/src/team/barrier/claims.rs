//! Who does a part of a region: whoever takes it first, its own worker or another member.

use std::sync::atomic::Ordering::Relaxed;

use super::OwnLine;
use super::sync::AtomicU32;

/// The last region in which each worker's part was taken. Every part is taken in every region, so a part that is
/// free in region `n` has `n - 1` here, and nobody can take one of a region that is over.
#[derive(Debug)]
pub(crate) struct Claims(Box<[OwnLine<AtomicU32>]>);

impl Claims {
    /// For the parts of so many workers; the first region is number 1.
    pub(crate) fn new(workers: usize) -> Claims {
        Claims((0..workers).map(|_| OwnLine::default()).collect())
    }

    /// Takes a part of `region`; whether it was free.
    ///
    /// It orders nothing: who takes a part has seen the number of its region, and with it all that was written
    /// before.
    pub(crate) fn take(&self, part: usize, region: u32) -> bool {
        let (claim, before) = (&self.0[part].0, region.wrapping_sub(1));
        // Looked at first, because a part that is taken is the usual thing for others than its worker.
        claim.load(Relaxed) == before
            && claim
                .compare_exchange(before, region, Relaxed, Relaxed)
                .is_ok()
    }
}
