//! IQ4_NL and IQ4_XS: nibbles that number the 16 levels of a table.

use bytemuck::{Pod, Zeroable};
use sysinfer_formats::blocks::{BlockIq4Nl, BlockIq4Xs};

use super::planes::{put_half, put_six_bits};
use super::{Halves, Nibbles, Packed, ROWS};

/// `[d; 8] [nibbles]`
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct PackedIq4Nl {
    pub(crate) d: Halves,
    pub(crate) codes: Nibbles,
}

const _: () = assert!(size_of::<PackedIq4Nl>() == ROWS * size_of::<BlockIq4Nl>());

impl Packed for PackedIq4Nl {
    fn put(&mut self, row: usize, block: &[u8]) {
        let block: BlockIq4Nl = bytemuck::pod_read_unaligned(block);
        put_half(&mut self.d, row, block.d);
        self.codes.put_pairs(row, &block.qs);
    }
}

/// `[d; 8]`, the 64 scales in two planes (see `put_six_bits`), then the eight parts: `[nibbles]`.
///
/// Scale of part `p` (32 more than its value) and row `r`: value `8 p + r`. The eight of a part are
/// bytes `8 (p % 4) ..` of `scales_low`, nibble `p / 4`, and bytes `8 (p % 2) ..` of `scales_high`,
/// bits `2 (p / 2) ..`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct PackedIq4Xs {
    pub(crate) d: Halves,
    pub(crate) scales_low: [u8; 32],
    pub(crate) scales_high: [u8; 16],
    pub(crate) parts: [Nibbles; 8],
}

const _: () = assert!(size_of::<PackedIq4Xs>() == ROWS * size_of::<BlockIq4Xs>());

impl Packed for PackedIq4Xs {
    fn put(&mut self, row: usize, block: &[u8]) {
        let block: BlockIq4Xs = bytemuck::pod_read_unaligned(block);
        put_half(&mut self.d, row, block.d);
        let pieces = block.qs.as_chunks::<16>().0;
        for (index, (part, pairs)) in self.parts.iter_mut().zip(pieces).enumerate() {
            let low = block.scales_l[index / 2] >> (4 * (index % 2)) & 15;
            let high = (block.scales_h >> (2 * index) & 3) as u8;
            let (value, bits) = (ROWS * index + row, low | high << 4);
            put_six_bits(&mut self.scales_low, &mut self.scales_high, value, bits);
            part.put_pairs(row, pairs);
        }
    }
}
