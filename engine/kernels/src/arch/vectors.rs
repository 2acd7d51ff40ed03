//! What opening quantised weights leaves to each instruction set.
//!
//! The kernels of `blocks` are written over vectors of eight rows: [`Vectors::Words`] holds four codes of
//! each of them. One implementation in plain Rust, one per instruction set. What becomes of opened weights
//! is [`Tile`](super::tile::Tile)'s to say.

use crate::arch::floats::{Floats, PlainFloats};
use crate::layout::{Halves, ROWS};

/// Arithmetic on eight rows. A value of the type is the proof that this CPU has the instructions.
pub(crate) trait Vectors: Floats {
    /// Four bytes of each row: one vector of a plane.
    type Words: Copy;
    /// An integer of each row.
    type Ints: Copy;

    /// The f16 of eight rows in f32.
    fn widen(self, halves: &Halves) -> Self::Lanes;
    /// Eight bytes as integers.
    fn extend(self, bytes: [u8; ROWS]) -> Self::Ints;
    /// Eight signed bytes as integers.
    fn extend_signed(self, bytes: [i8; ROWS]) -> Self::Ints;
    /// The same integer for all rows.
    fn integer(self, value: i32) -> Self::Ints;
    /// `a + b`.
    fn plus(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// Integers in f32.
    fn real(self, values: Self::Ints) -> Self::Lanes;

    /// 32 bytes of a plane.
    fn words(self, bytes: &[u8; 32]) -> Self::Words;
    /// Of every byte, the bits of `mask` (which starts at bit 0) from bit `from` on, moved to bit
    /// `to`.
    fn field(self, words: Self::Words, mask: u8, from: usize, to: usize) -> Self::Words;
    /// Bits of either.
    fn or(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// Signed bytes as this instruction set multiplies them.
    fn signed(self, words: Self::Words) -> Self::Words;
    /// Replaces every byte, 0..16, by the level that it numbers, as [`Vectors::signed`] has it.
    fn look_up(self, levels: &[i8; 16], codes: Self::Words) -> Self::Words;
}

impl Vectors for PlainFloats {
    type Words = [u32; ROWS];
    type Ints = [i32; ROWS];

    #[inline(always)]
    fn widen(self, halves: &Halves) -> [f32; ROWS] {
        let pairs = halves.as_chunks::<2>().0;
        std::array::from_fn(|row| half::f16::from_le_bytes(pairs[row]).to_f32())
    }

    #[inline(always)]
    fn extend(self, bytes: [u8; ROWS]) -> [i32; ROWS] {
        bytes.map(i32::from)
    }

    #[inline(always)]
    fn extend_signed(self, bytes: [i8; ROWS]) -> [i32; ROWS] {
        bytes.map(i32::from)
    }

    #[inline(always)]
    fn integer(self, value: i32) -> [i32; ROWS] {
        [value; ROWS]
    }

    #[inline(always)]
    fn plus(self, a: [i32; ROWS], b: [i32; ROWS]) -> [i32; ROWS] {
        std::array::from_fn(|row| a[row] + b[row])
    }

    #[inline(always)]
    fn real(self, values: [i32; ROWS]) -> [f32; ROWS] {
        values.map(|value| value as f32)
    }

    #[inline(always)]
    fn words(self, bytes: &[u8; 32]) -> [u32; ROWS] {
        let words = bytes.as_chunks::<4>().0;
        std::array::from_fn(|row| u32::from_le_bytes(words[row]))
    }

    #[inline(always)]
    fn field(self, words: [u32; ROWS], mask: u8, from: usize, to: usize) -> [u32; ROWS] {
        let mask = u32::from_ne_bytes([mask << to; 4]);
        let moved = |word: u32| {
            if from >= to {
                word >> (from - to)
            } else {
                word << (to - from)
            }
        };
        words.map(|word| moved(word) & mask)
    }

    #[inline(always)]
    fn or(self, a: [u32; ROWS], b: [u32; ROWS]) -> [u32; ROWS] {
        std::array::from_fn(|row| a[row] | b[row])
    }

    #[inline(always)]
    fn signed(self, words: [u32; ROWS]) -> [u32; ROWS] {
        words
    }

    #[inline(always)]
    fn look_up(self, levels: &[i8; 16], codes: [u32; ROWS]) -> [u32; ROWS] {
        codes.map(|word| {
            let bytes = word.to_le_bytes();
            u32::from_le_bytes(bytes.map(|code| levels[usize::from(code & 15)] as u8))
        })
    }
}
