//! Q4_K: nibbles, with scale and minimum of 6 bits per 32 columns.

use bytemuck::{Pod, Zeroable};
use sysinfer_formats::blocks::BlockQ4K;

use super::planes::{put_half, put_six_bits};
use super::{Halves, Nibbles, Packed, ROWS};

/// `[d; 8] [dmin; 8]`, scales and minima in two planes (see [`PackedPairs`]), then the eight parts:
/// `[nibbles]`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct PackedQ4K {
    pub(crate) d: Halves,
    pub(crate) dmin: Halves,
    pub(crate) pairs: PackedPairs,
    pub(crate) parts: [Nibbles; 8],
}

const _: () = assert!(size_of::<PackedQ4K>() == ROWS * size_of::<BlockQ4K>());

/// The 64 scales and 64 minima of 6 bits of a block column, in two planes (see `put_six_bits`).
///
/// Value `16 p + r` is the scale of part `p` and row `r`, value `16 p + 8 + r` the minimum. The 16 of
/// a part are bytes `16 (p % 4) ..` of `low`, nibble `p / 4`, and bytes `16 (p % 2) ..` of `high`,
/// bits `2 (p / 2) ..`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct PackedPairs {
    pub(crate) low: [u8; 64],
    pub(crate) high: [u8; 32],
}

impl PackedPairs {
    /// Puts the scales and minima of a row, as GGUF packs them into twelve bytes.
    pub(super) fn put(&mut self, row: usize, bytes: &[u8; 12]) {
        let [scales, minima] = unpack(bytes);
        for part in 0..8 {
            for (value, bits) in [(16 * part + row, scales), (16 * part + 8 + row, minima)] {
                put_six_bits(&mut self.low, &mut self.high, value, bits[part]);
            }
        }
    }
}

/// Eight scales and eight minima of 6 bits: the first four of each are the low bits of bytes 0..8,
/// the low nibbles of the others are bytes 8..12, their high bits what is left in bytes 0..8.
fn unpack(bytes: &[u8; 12]) -> [[u8; 8]; 2] {
    let (mut scales, mut minima) = ([0; 8], [0; 8]);
    for i in 0..4 {
        let (first, second, nibbles) = (bytes[i], bytes[4 + i], bytes[8 + i]);
        (scales[i], scales[4 + i]) = (first & 63, nibbles & 15 | first >> 6 << 4);
        (minima[i], minima[4 + i]) = (second & 63, nibbles >> 4 | second >> 6 << 4);
    }
    [scales, minima]
}

/// The bytes in which Q4_K and Q5_K keep bits 0..4 of the codes of a part, and from which bit on: 32
/// bytes hold two parts.
pub(super) fn nibbles(qs: &[u8; 128], part: usize) -> (&[u8; 32], u32) {
    (&qs.as_chunks().0[part / 2], 4 * (part as u32 % 2))
}

impl Packed for PackedQ4K {
    fn put(&mut self, row: usize, block: &[u8]) {
        let block: BlockQ4K = bytemuck::pod_read_unaligned(block);
        put_half(&mut self.d, row, block.d);
        put_half(&mut self.dmin, row, block.dmin);
        self.pairs.put(row, &block.scales);
        for (index, part) in self.parts.iter_mut().enumerate() {
            let (codes, shift) = nibbles(&block.qs, index);
            part.put(row, codes, shift);
        }
    }
}
