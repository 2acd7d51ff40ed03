//! Q4_0 and Q4_1: nibbles.

use bytemuck::{Pod, Zeroable};
use sysinfer_formats::blocks::{BlockQ4_0, BlockQ4_1};

use super::planes::put_half;
use super::{Halves, Nibbles, Packed, ROWS};

/// `[d; 8] [nibbles]`
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct PackedQ4_0 {
    pub(crate) d: Halves,
    pub(crate) codes: Nibbles,
}

const _: () = assert!(size_of::<PackedQ4_0>() == ROWS * size_of::<BlockQ4_0>());

impl Packed for PackedQ4_0 {
    fn put(&mut self, row: usize, block: &[u8]) {
        let block: BlockQ4_0 = bytemuck::pod_read_unaligned(block);
        put_half(&mut self.d, row, block.d);
        self.codes.put_pairs(row, &block.qs);
    }
}

/// `[d; 8] [m; 8] [nibbles]`
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct PackedQ4_1 {
    pub(crate) d: Halves,
    pub(crate) m: Halves,
    pub(crate) codes: Nibbles,
}

const _: () = assert!(size_of::<PackedQ4_1>() == ROWS * size_of::<BlockQ4_1>());

impl Packed for PackedQ4_1 {
    fn put(&mut self, row: usize, block: &[u8]) {
        let block: BlockQ4_1 = bytemuck::pod_read_unaligned(block);
        put_half(&mut self.d, row, block.d);
        put_half(&mut self.m, row, block.m);
        self.codes.put_pairs(row, &block.qs);
    }
}
