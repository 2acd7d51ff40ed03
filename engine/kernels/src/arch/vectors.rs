//! What the products of quantised weights leave to each instruction set.
//!
//! The kernels of `blocks` are written over vectors of eight rows. A vector of [`Vectors::Words`]
//! holds four codes of each of them, and a product with four activations, broadcast, adds to eight
//! integer sums. One implementation in plain Rust, one per instruction set.

use crate::arch::floats::{Floats, PlainFloats};
use crate::arch::wide::{Narrow, Wide};
use crate::layout::{Halves, ROWS};

/// Arithmetic on eight rows. A value of the type is the proof that this CPU has the instructions.
pub(crate) trait Vectors: Floats {
    /// Four bytes of each row: one vector of a plane.
    type Words: Copy;
    /// An integer of each row.
    type Ints: Copy;
    /// Integer sums of each row while they are being added up.
    type Dots: Copy;

    /// Vectors in which opened weights meet many activations.
    type Wide: Wide<Self>;

    /// The code that stands for zero where codes are signed, as [`Vectors::signed`] gives them.
    const SIGNED_ZERO: i16;

    /// The proof for the other vectors.
    fn wide(self) -> Self::Wide;

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
    /// `a * b`.
    fn times(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// Two sums of activations, the same for all rows, weighed and added. Each row's weights are the
    /// two halves of an integer, see [`pair`].
    fn weigh_sums(self, sums: [i16; 2], weights: Self::Ints) -> Self::Ints;
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

    /// Starts sums at `first`.
    fn start(self, first: Self::Ints) -> Self::Dots;
    /// Adds to each row's sum the products of its four codes, 0..=`MOST`, with four activations.
    /// `step` counts the calls since the start: at most as many as there are vectors in a part.
    fn dot<const MOST: i32>(
        self,
        dots: Self::Dots,
        step: usize,
        codes: Self::Words,
        quants: [i8; 4],
    ) -> Self::Dots;
    /// The same for codes from [`Vectors::signed`]; activations are never -128.
    fn dot_signed(self, dots: Self::Dots, codes: Self::Words, quants: [i8; 4]) -> Self::Dots;
    /// The sums; every product is in them once the number of steps is that of `dot`'s last.
    fn finish(self, dots: Self::Dots) -> Self::Ints;
}

/// Two numbers as the halves of one, the first in the low 16 bits: weights of
/// [`Vectors::weigh_sums`].
#[inline(always)]
pub(crate) fn pair(numbers: [i16; 2]) -> i32 {
    let [low, high] = numbers.map(|number| u32::from(number.cast_unsigned()));
    (low | high << 16).cast_signed()
}

impl Vectors for PlainFloats {
    type Words = [u32; ROWS];
    type Ints = [i32; ROWS];
    type Dots = [i32; ROWS];
    type Wide = Narrow<Self>;

    const SIGNED_ZERO: i16 = 0;

    #[inline(always)]
    fn wide(self) -> Narrow<Self> {
        Narrow(self)
    }

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
    fn times(self, a: [i32; ROWS], b: [i32; ROWS]) -> [i32; ROWS] {
        std::array::from_fn(|row| a[row] * b[row])
    }

    #[inline(always)]
    fn weigh_sums(self, sums: [i16; 2], weights: [i32; ROWS]) -> [i32; ROWS] {
        let [first, second] = sums.map(i32::from);
        weights.map(|pair| first * i32::from(pair as i16) + second * (pair >> 16))
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

    #[inline(always)]
    fn start(self, first: [i32; ROWS]) -> [i32; ROWS] {
        first
    }

    #[inline(always)]
    fn dot<const MOST: i32>(
        self,
        mut dots: [i32; ROWS],
        _step: usize,
        codes: [u32; ROWS],
        quants: [i8; 4],
    ) -> [i32; ROWS] {
        for (i, quant) in quants.into_iter().enumerate() {
            for (sum, word) in dots.iter_mut().zip(codes) {
                *sum += (word >> (8 * i) & 0xFF) as i32 * i32::from(quant);
            }
        }
        dots
    }

    #[inline(always)]
    fn dot_signed(self, mut dots: [i32; ROWS], codes: [u32; ROWS], quants: [i8; 4]) -> [i32; ROWS] {
        for (i, quant) in quants.into_iter().enumerate() {
            for (sum, word) in dots.iter_mut().zip(codes) {
                *sum += ((word << (24 - 8 * i)) as i32 >> 24) * i32::from(quant);
            }
        }
        dots
    }

    #[inline(always)]
    fn finish(self, dots: [i32; ROWS]) -> [i32; ROWS] {
        dots
    }
}
