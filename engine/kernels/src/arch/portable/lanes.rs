//! Reading planes and packed sub-scales into lanes: shifts and masks over whole words.

use crate::arch::vectors::Lanes;
use crate::layout::{Bits, Crumbs, Nibbles, ROWS};

/// The 32 bytes of a vector as eight words.
#[inline(always)]
pub(super) fn words(bytes: &[u8; 32]) -> Lanes {
    let words = bytes.as_chunks::<4>().0;
    std::array::from_fn(|row| u32::from_le_bytes(words[row]))
}

/// Nibbles of vector `j`: the low half's and the high half's columns.
#[inline(always)]
pub(super) fn nibbles(plane: &Nibbles, j: usize) -> [Lanes; 2] {
    let words = words(&plane.0[j]);
    [words, words.map(|word| word >> 4)].map(|half| half.map(|word| word & 0x0F0F_0F0F))
}

/// Crumbs of vector `j`: the low half's and the high half's columns.
#[inline(always)]
pub(super) fn crumbs(plane: &Crumbs, j: usize) -> [Lanes; 2] {
    let words = words(&plane.0[j / 2]).map(|word| word >> (4 * (j % 2)));
    [words, words.map(|word| word >> 2)].map(|half| half.map(|word| word & 0x0303_0303))
}

/// Bits of vector `j`: the low half's and the high half's columns.
#[inline(always)]
pub(super) fn bits(plane: &Bits, j: usize) -> [Lanes; 2] {
    let words = words(&plane.0).map(|word| word >> (2 * j));
    [words, words.map(|word| word >> 1)].map(|half| half.map(|word| word & 0x0101_0101))
}

/// Codes of two planes put together: `top` starts at bit `shift`.
#[inline(always)]
pub(super) fn join(codes: [Lanes; 2], top: [Lanes; 2], shift: u32) -> [Lanes; 2] {
    let join = |half: usize| std::array::from_fn(|row| codes[half][row] | top[half][row] << shift);
    [join(0), join(1)]
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
