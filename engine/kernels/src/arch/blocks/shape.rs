//! How weights and results of a call lie, and asking for what lies ahead.

use crate::arch::vectors::Vectors;
use crate::layout::ROWS;

/// How weights and results of a call lie; results are `[group][panel][panel row][8]`.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Parts of 32 columns.
    pub(super) parts: usize,
    /// Blocks of a row group.
    pub(super) group: usize,
    /// Rows of eight results of a row group.
    pub(super) results: usize,
}

impl Shape {
    /// How many parts after the `opened` ones from part `first` on those lie that will be opened next,
    /// to be fetched meanwhile: further on in the same row groups, or in the `groups` after them.
    #[inline(always)]
    pub(super) fn next(self, first: usize, opened: usize, groups: usize) -> usize {
        if first + opened < self.parts {
            opened
        } else {
            groups * self.parts - first
        }
    }

    /// Blocks and results, `groups` row groups at a time; at the end perhaps fewer.
    #[inline(always)]
    pub(super) fn groups<'a, B>(
        self,
        groups: usize,
        blocks: &'a [B],
        out: &'a mut [[f32; ROWS]],
    ) -> impl Iterator<Item = (&'a [B], &'a mut [[f32; ROWS]])> {
        blocks
            .chunks(groups * self.group)
            .zip(out.chunks_mut(groups * self.results))
    }
}

/// Asks for what lies `distance` bytes beyond one of the `parts` parts of a block.
#[inline(always)]
pub(super) fn ahead<B, V: Vectors>(
    vectors: V,
    block: &B,
    part: usize,
    parts: usize,
    distance: usize,
) {
    // Parts are not whole lines: a line too many now and then costs less than one too few.
    let bytes = size_of::<B>() / parts;
    for line in 0..bytes.div_ceil(64) {
        vectors.prefetch(block, distance + part * bytes + 64 * line);
    }
}
