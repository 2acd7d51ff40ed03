//! Q2_K: crumbs, with scale and minimum of 4 bits per 16 columns.

use bytemuck::{Pod, Zeroable};
use sysinfer_formats::blocks::BlockQ2K;

use super::planes::put_half;
use super::{Crumbs, Halves, Packed, ROWS};

/// `[d; 8] [dmin; 8]`, then for each part `[pair of columns 0..16; 8] [of 16..32; 8]`, then the eight
/// parts: `[crumbs]`. A pair is GGUF's byte: scale in the low nibble, minimum in the high one.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct PackedQ2K {
    pub(crate) d: Halves,
    pub(crate) dmin: Halves,
    /// By part, half of the part and row.
    pub(crate) pairs: [[[u8; ROWS]; 2]; 8],
    pub(crate) parts: [Crumbs; 8],
}

const _: () = assert!(size_of::<PackedQ2K>() == ROWS * size_of::<BlockQ2K>());

impl Packed for PackedQ2K {
    fn put(&mut self, row: usize, block: &[u8]) {
        let block: BlockQ2K = bytemuck::pod_read_unaligned(block);
        put_half(&mut self.d, row, block.d);
        put_half(&mut self.dmin, row, block.dmin);
        for (pairs, scales) in self.pairs.iter_mut().zip(block.scales.as_chunks::<2>().0) {
            (pairs[0][row], pairs[1][row]) = (scales[0], scales[1]);
        }
        for (part, crumbs) in self.parts.iter_mut().enumerate() {
            let (codes, shift) = quarter(&block.qs, part);
            crumbs.put(row, codes, shift);
        }
    }
}

/// The bytes in which Q2_K and Q3_K keep bits 0 and 1 of the codes of a part, and from which bit on:
/// 32 bytes hold four parts.
pub(super) fn quarter(qs: &[u8; 64], part: usize) -> (&[u8; 32], u32) {
    (&qs.as_chunks().0[part / 4], 2 * (part as u32 % 4))
}
