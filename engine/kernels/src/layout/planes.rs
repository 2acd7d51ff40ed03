//! The pieces that packed blocks are made of: fields of eight rows side by side, and planes of codes.
//!
//! A plane holds some bits of the codes of a *part*: 32 columns of eight rows. All planes have the
//! same order, that of [`Nibbles`]: byte `4 r + i` of vector `j` belongs to row `r` and to the columns
//! `4 j + i` (the *low* half) and `16 + 4 j + i` (the *high* half), as the bytes of GGUF's own
//! 32-column blocks do. So for every `j` there are eight dot products of a vector of codes with the
//! activations `4 j ..` and eight with `16 + 4 j ..`.
//!
//! ```text
//! plane     bits   bytes     where the bits of vector j stand
//! Nibbles   4      4 x 32    vector j: low half in bits 0..4, high half in bits 4..8
//! Crumbs    2      2 x 32    vector j / 2, from bit 4 (j % 2): 2 bits of the low half, 2 of the high
//! Bits      1      1 x 32    bit 2 j: of the low half, bit 2 j + 1: of the high half
//! ```

use bytemuck::{Pod, Zeroable};

use super::ROWS;

/// One f16 of each row: `[d0 d1 ... d7]`, little-endian.
pub(crate) type Halves = [u8; 2 * ROWS];

/// Sets the f16 of a row.
pub(super) fn put_half(halves: &mut Halves, row: usize, bits: u16) {
    halves[2 * row..2 * row + 2].copy_from_slice(&bits.to_le_bytes());
}

/// Bits 0..4 of the codes of a part.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub(crate) struct Nibbles(pub(crate) [[u8; 32]; 4]);

/// Two bits of the codes of a part.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub(crate) struct Crumbs(pub(crate) [[u8; 32]; 2]);

/// One bit of the codes of a part.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub(crate) struct Bits(pub(crate) [u8; 32]);

/// Vector, byte of it, low column and high column of all bytes of a row.
fn places(row: usize) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    (0..16).map(move |column| (column / 4, 4 * row + column % 4, column, column + 16))
}

impl Nibbles {
    /// Puts bits 0..4 of the 32 codes of a row.
    pub(super) fn put(&mut self, row: usize, codes: &[u8; 32]) {
        for (vector, byte, low, high) in places(row) {
            self.0[vector][byte] = codes[low] & 15 | codes[high] << 4;
        }
    }

    /// Puts 16 bytes that already pair column `c` with column `c + 16`.
    pub(super) fn put_pairs(&mut self, row: usize, pairs: &[u8; 16]) {
        for (vector, piece) in self.0.iter_mut().zip(pairs.as_chunks::<4>().0) {
            vector[4 * row..4 * row + 4].copy_from_slice(piece);
        }
    }
}

impl Crumbs {
    /// Puts bits `shift` and `shift + 1` of the 32 codes of a row.
    pub(super) fn put(&mut self, row: usize, codes: &[u8; 32], shift: u32) {
        for (vector, byte, low, high) in places(row) {
            let pair = codes[low] >> shift & 3 | (codes[high] >> shift & 3) << 2;
            self.0[vector / 2][byte] |= pair << (4 * (vector % 2));
        }
    }
}

impl Bits {
    /// Puts bit `shift` of the 32 codes of a row.
    pub(super) fn put(&mut self, row: usize, codes: &[u8; 32], shift: u32) {
        for (vector, byte, low, high) in places(row) {
            let pair = codes[low] >> shift & 1 | (codes[high] >> shift & 1) << 1;
            self.0[byte] |= pair << (2 * vector);
        }
    }
}

/// Puts one of `2 low.len()` values of 6 bits into two planes: value `v` has bits 0..4 in byte `v` of
/// `low` (values of the first half in the low nibble, of the second in the high one) and bits 4..6
/// in byte `v` of `high` (four values to a byte, the first quarter in bits 0 and 1).
///
/// So 16 (or 8) values in a row are one load from each plane, one shift and one mask.
pub(super) fn put_six_bits(low: &mut [u8], high: &mut [u8], value: usize, bits: u8) {
    let (half, quarter) = (low.len(), high.len());
    low[value % half] |= (bits & 15) << (4 * (value / half));
    high[value % quarter] |= (bits >> 4) << (2 * (value / quarter));
}
