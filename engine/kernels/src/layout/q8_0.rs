//! Q8_0: whole bytes.

use bytemuck::{Pod, Zeroable};
use sysinfer_formats::blocks::BlockQ8_0;

use super::planes::put_half;
use super::{Halves, Packed, ROWS};

/// `[d; 8] [8 x 32 bytes]`: byte `4 r + i` of vector `j` is column `4 j + i` of row `r`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct PackedQ8_0 {
    pub(crate) d: Halves,
    pub(crate) codes: [[u8; 32]; 8],
}

const _: () = assert!(size_of::<PackedQ8_0>() == ROWS * size_of::<BlockQ8_0>());

impl Packed for PackedQ8_0 {
    fn put(&mut self, row: usize, block: &[u8]) {
        let block: BlockQ8_0 = bytemuck::pod_read_unaligned(block);
        put_half(&mut self.d, row, block.d);
        let quants: &[u8; 32] = bytemuck::cast_ref(&block.qs);
        for (vector, piece) in self.codes.iter_mut().zip(quants.as_chunks::<4>().0) {
            vector[4 * row..4 * row + 4].copy_from_slice(piece);
        }
    }
}
