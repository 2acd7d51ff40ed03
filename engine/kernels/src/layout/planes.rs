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

/// The codes of four neighbouring columns of a row, first column in the lowest byte: what a row has in
/// one vector.
type Four = u32;

/// `value` in each of four bytes.
const fn each(value: u8) -> Four {
    Four::from_le_bytes([value; 4])
}

/// The columns `4 j ..` and `16 + 4 j ..` of a row, for every vector `j`.
fn halves(codes: &[u8; 32]) -> [(Four, Four); 4] {
    let (low, high) = codes.split_at(16);
    let (low, high) = (low.as_chunks().0, high.as_chunks().0);
    std::array::from_fn(|j| (Four::from_le_bytes(low[j]), Four::from_le_bytes(high[j])))
}

/// Sets what a row has in a vector.
fn put_four(vector: &mut [u8; 32], row: usize, four: Four) {
    vector[4 * row..4 * row + 4].copy_from_slice(&four.to_le_bytes());
}

impl Nibbles {
    /// Puts bits `shift` to `shift + 3` of the 32 codes of a row.
    pub(super) fn put(&mut self, row: usize, codes: &[u8; 32], shift: u32) {
        for (vector, (low, high)) in self.0.iter_mut().zip(halves(codes)) {
            let pairs = low >> shift & each(15) | (high >> shift & each(15)) << 4;
            put_four(vector, row, pairs);
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
        let pairs = halves(codes)
            .map(|(low, high)| low >> shift & each(3) | (high >> shift & each(3)) << 2);
        for (vector, [first, second]) in self.0.iter_mut().zip(pairs.as_chunks::<2>().0) {
            put_four(vector, row, first | second << 4);
        }
    }
}

impl Bits {
    /// Puts bit `shift` of the 32 codes of a row.
    pub(super) fn put(&mut self, row: usize, codes: &[u8; 32], shift: u32) {
        let pairs = halves(codes)
            .map(|(low, high)| low >> shift & each(1) | (high >> shift & each(1)) << 1);
        self.put_four_pairs(row, pairs);
    }

    /// Puts the bits of the 32 columns of a row, which stand in column order.
    pub(super) fn put_word(&mut self, row: usize, bits: u32) {
        let pairs =
            std::array::from_fn(|j| spread(bits >> (4 * j)) | spread(bits >> (16 + 4 * j)) << 1);
        self.put_four_pairs(row, pairs);
    }

    fn put_four_pairs(&mut self, row: usize, [a, b, c, d]: [Four; 4]) {
        put_four(&mut self.0, row, a | b << 2 | c << 4 | d << 6);
    }
}

/// Bits 0..4, each in a byte of its own: the product has bit `i` at `i + 7 k` for every `k` of 0..4,
/// which for `k = i` is the lowest of byte `i`.
fn spread(bits: u32) -> Four {
    ((bits & 15) * 0x0020_4081) & each(1)
}

/// Puts one of `2 low.len()` values of 6 bits into two planes: value `v` has bits 0..4 in byte `v` of
/// `low` (values of the first half in the low nibble, of the second in the high one) and bits 4..6
/// in byte `v` of `high` (four values to a byte, the first quarter in bits 0 and 1).
///
/// So 16 (or 8) values in a row are one load from each plane, one shift and one mask.
pub(super) fn put_six_bits<const HALF: usize, const QUARTER: usize>(
    low: &mut [u8; HALF],
    high: &mut [u8; QUARTER],
    value: usize,
    bits: u8,
) {
    low[value % HALF] |= (bits & 15) << (4 * (value / HALF));
    high[value % QUARTER] |= (bits >> 4) << (2 * (value / QUARTER));
}
