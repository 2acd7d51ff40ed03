//! Q3_K: a plane of the third bits and crumbs, with a signed scale of 6 bits per 16 columns.

use bytemuck::{Pod, Zeroable};
use sysinfer_formats::blocks::BlockQ3K;

use super::planes::{put_half, put_six_bits};
use super::q2_k::quarter;
use super::{Bits, Crumbs, Halves, Packed, ROWS};

/// `[d; 8]`, the 128 scales in two planes (see `put_six_bits`), then the eight parts.
///
/// Scale of half `h` of part `p` (32 more than its value) and row `r`: value `16 p + 8 h + r`. The 16
/// of a part are bytes `16 (p % 4) ..` of `scales_low`, nibble `p / 4`, and bytes `16 (p % 2) ..` of
/// `scales_high`, bits `2 (p / 2) ..`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct PackedQ3K {
    pub(crate) d: Halves,
    pub(crate) scales_low: [u8; 64],
    pub(crate) scales_high: [u8; 32],
    pub(crate) parts: [Q3KPart; 8],
}

/// `[bits] [crumbs]`
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Q3KPart {
    pub(crate) tops: Bits,
    pub(crate) codes: Crumbs,
}

const _: () = assert!(size_of::<PackedQ3K>() == ROWS * size_of::<BlockQ3K>());

impl Packed for PackedQ3K {
    fn put(&mut self, row: usize, block: &[u8]) {
        let block: BlockQ3K = bytemuck::pod_read_unaligned(block);
        put_half(&mut self.d, row, block.d);
        for (group, scale) in scales(&block.scales).into_iter().enumerate() {
            let value = 8 * group + row;
            put_six_bits(&mut self.scales_low, &mut self.scales_high, value, scale);
        }
        for (index, part) in self.parts.iter_mut().enumerate() {
            part.tops.put(row, &block.hmask, index as u32);
            let (codes, shift) = quarter(&block.qs, index);
            part.codes.put(row, codes, shift);
        }
    }
}

/// The 16 scales of 6 bits: four words of four, their low nibbles in the first eight bytes, their
/// high bits in the last four.
fn scales(bytes: &[u8; 12]) -> [u8; 16] {
    std::array::from_fn(|group| {
        let (word, byte) = (group / 4, group % 4);
        let low = bytes[4 * (word % 2) + byte] >> (4 * (word / 2)) & 15;
        low | (bytes[8 + byte] >> (2 * word) & 3) << 4
    })
}
