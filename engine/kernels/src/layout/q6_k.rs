//! Q6_K: crumbs of the high bits and nibbles, with a signed scale of 8 bits per 16 columns.

use bytemuck::{Pod, Zeroable};
use sysinfer_formats::blocks::BlockQ6K;

use super::planes::put_half;
use super::{Crumbs, Halves, Nibbles, Packed, ROWS};

/// `[d; 8]`, then the eight parts.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct PackedQ6K {
    pub(crate) d: Halves,
    pub(crate) parts: [Q6KPart; 8],
}

/// `[scale of columns 0..16; 8] [of 16..32; 8] [crumbs: bits 4 and 5] [nibbles]`
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Q6KPart {
    /// By half of the part and row.
    pub(crate) scales: [[i8; ROWS]; 2],
    pub(crate) tops: Crumbs,
    pub(crate) codes: Nibbles,
}

const _: () = assert!(size_of::<PackedQ6K>() == ROWS * size_of::<BlockQ6K>());

impl Packed for PackedQ6K {
    fn put(&mut self, row: usize, block: &[u8]) {
        let block: BlockQ6K = bytemuck::pod_read_unaligned(block);
        put_half(&mut self.d, row, block.d);
        let codes = codes(&block);
        for (index, part) in self.parts.iter_mut().enumerate() {
            part.scales[0][row] = block.scales[2 * index];
            part.scales[1][row] = block.scales[2 * index + 1];
            part.tops.put(row, &codes[index], 4);
            part.codes.put(row, &codes[index], 0);
        }
    }
}

/// The six-bit codes (0..64, zero at 32) of the eight parts (ggml's `dequantize_row_q6_K`).
fn codes(block: &BlockQ6K) -> [[u8; 32]; 8] {
    let mut codes = [[0; 32]; 8];
    for (half, parts) in codes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let (ql, qh) = (&block.ql[64 * half..][..64], &block.qh[32 * half..][..32]);
        for l in 0..32 {
            parts[0][l] = (ql[l] & 15) | (qh[l] & 3) << 4;
            parts[1][l] = (ql[l + 32] & 15) | (qh[l] >> 2 & 3) << 4;
            parts[2][l] = (ql[l] >> 4) | (qh[l] >> 4 & 3) << 4;
            parts[3][l] = (ql[l + 32] >> 4) | (qh[l] >> 6) << 4;
        }
    }
    codes
}
