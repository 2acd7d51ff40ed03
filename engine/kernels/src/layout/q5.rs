//! Q5_0 and Q5_1: a plane of the fifth bits, then nibbles.

use bytemuck::{Pod, Zeroable};
use sysinfer_formats::blocks::{BlockQ5_0, BlockQ5_1};

use super::planes::put_half;
use super::{Bits, Halves, Nibbles, Packed, ROWS};

/// `[d; 8] [bits] [nibbles]`
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct PackedQ5_0 {
    pub(crate) d: Halves,
    pub(crate) tops: Bits,
    pub(crate) codes: Nibbles,
}

const _: () = assert!(size_of::<PackedQ5_0>() == ROWS * size_of::<BlockQ5_0>());

impl Packed for PackedQ5_0 {
    fn put(&mut self, row: usize, block: &[u8]) {
        let block: BlockQ5_0 = bytemuck::pod_read_unaligned(block);
        put_half(&mut self.d, row, block.d);
        self.tops.put_word(row, u32::from_le_bytes(block.qh));
        self.codes.put_pairs(row, &block.qs);
    }
}

/// `[d; 8] [m; 8] [bits] [nibbles]`
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct PackedQ5_1 {
    pub(crate) d: Halves,
    pub(crate) m: Halves,
    pub(crate) tops: Bits,
    pub(crate) codes: Nibbles,
}

const _: () = assert!(size_of::<PackedQ5_1>() == ROWS * size_of::<BlockQ5_1>());

impl Packed for PackedQ5_1 {
    fn put(&mut self, row: usize, block: &[u8]) {
        let block: BlockQ5_1 = bytemuck::pod_read_unaligned(block);
        put_half(&mut self.d, row, block.d);
        put_half(&mut self.m, row, block.m);
        self.tops.put_word(row, u32::from_le_bytes(block.qh));
        self.codes.put_pairs(row, &block.qs);
    }
}
