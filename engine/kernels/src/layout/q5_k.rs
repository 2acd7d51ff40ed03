//! Q5_K: Q4_K and a plane of the fifth bits.

use bytemuck::{Pod, Zeroable};
use sysinfer_formats::blocks::BlockQ5K;

use super::planes::put_half;
use super::q4_k::{PackedPairs, nibbles};
use super::{Bits, Halves, Nibbles, Packed, ROWS};

/// `[d; 8] [dmin; 8]`, scales and minima in two planes (see [`PackedPairs`]), then the eight parts.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct PackedQ5K {
    pub(crate) d: Halves,
    pub(crate) dmin: Halves,
    pub(crate) pairs: PackedPairs,
    pub(crate) parts: [Q5KPart; 8],
}

/// `[bits] [nibbles]`
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Q5KPart {
    pub(crate) tops: Bits,
    pub(crate) codes: Nibbles,
}

const _: () = assert!(size_of::<PackedQ5K>() == ROWS * size_of::<BlockQ5K>());

impl Packed for PackedQ5K {
    fn put(&mut self, row: usize, block: &[u8]) {
        let block: BlockQ5K = bytemuck::pod_read_unaligned(block);
        put_half(&mut self.d, row, block.d);
        put_half(&mut self.dmin, row, block.dmin);
        self.pairs.put(row, &block.scales);
        for (index, part) in self.parts.iter_mut().enumerate() {
            part.tops.put(row, &block.qh, index as u32);
            let (codes, shift) = nibbles(&block.qs, index);
            part.codes.put(row, codes, shift);
        }
    }
}
