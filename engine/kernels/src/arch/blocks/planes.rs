//! Reading planes and packed sub-scales (`layout/planes.rs`) into vectors: shifts and masks.

use crate::arch::vectors::Vectors;
use crate::layout::{Bits, Crumbs, Nibbles, ROWS};

/// Nibbles of vector `j`: the low half's and the high half's columns.
#[inline(always)]
pub(super) fn nibbles<V: Vectors>(vectors: V, plane: &Nibbles, j: usize) -> [V::Words; 2] {
    let words = vectors.words(&plane.0[j]);
    [0, 4].map(|from| vectors.field(words, 0x0F, from, 0))
}

/// Crumbs of vector `j`, as bits `to` and `to + 1`: the low half's and the high half's columns.
#[inline(always)]
pub(super) fn crumbs<V: Vectors>(vectors: V, plane: &Crumbs, j: usize, to: usize) -> [V::Words; 2] {
    let words = vectors.words(&plane.0[j / 2]);
    [0, 2].map(|from| vectors.field(words, 0x03, 4 * (j % 2) + from, to))
}

/// Bits of vector `j`, as bit `to`: the low half's and the high half's columns.
#[inline(always)]
pub(super) fn bits<V: Vectors>(vectors: V, plane: &Bits, j: usize, to: usize) -> [V::Words; 2] {
    let words = vectors.words(&plane.0);
    [0, 1].map(|from| vectors.field(words, 0x01, 2 * j + from, to))
}

/// Codes of two planes put together.
#[inline(always)]
pub(super) fn join<V: Vectors>(
    vectors: V,
    codes: [V::Words; 2],
    tops: [V::Words; 2],
) -> [V::Words; 2] {
    [vectors.or(codes[0], tops[0]), vectors.or(codes[1], tops[1])]
}

/// The values of 6 bits of a part, `N` of each row, from the two planes of [`crate::layout`].
#[inline(always)]
pub(super) fn six_bits<const N: usize>(low: &[u8], high: &[u8], part: usize) -> [[u8; ROWS]; N] {
    let low = low[ROWS * N * (part % 4)..].as_chunks::<ROWS>().0;
    let high = high[ROWS * N * (part % 2)..].as_chunks::<ROWS>().0;
    std::array::from_fn(|value| {
        let low = masked(low[value], 4 * (part / 4), 0x0F);
        let high = masked(high[value], 2 * (part / 2), 0x03);
        (low | high << 4).to_le_bytes()
    })
}

/// Eight bytes as one number, each shifted right and masked.
#[inline(always)]
fn masked(bytes: [u8; ROWS], shift: usize, mask: u8) -> u64 {
    u64::from_le_bytes(bytes) >> shift & u64::from_le_bytes([mask; ROWS])
}

/// Low and high nibbles of eight bytes.
#[inline(always)]
pub(super) fn nibbles_of(bytes: [u8; ROWS]) -> [[u8; ROWS]; 2] {
    [0, 4].map(|shift| masked(bytes, shift, 0x0F).to_le_bytes())
}
