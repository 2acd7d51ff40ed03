//! The few operations that plain loops over eight rows leave to each instruction set.
//!
//! The kernels of `portable` are written over [`Lanes`] and compile to whatever vectors the enclosing
//! function may use. What no compiler finds by itself (widening, products of bytes, table
//! look-ups) goes through [`Vectors`]: one implementation in plain Rust, one per instruction set
//! that has the instructions.

use crate::layout::{Halves, ROWS};

/// Four codes of each row, as the bytes of a word: one vector of a plane.
pub(crate) type Lanes = [u32; ROWS];

/// What an instruction set does better than a loop. A value of the type is the proof that this CPU
/// has it.
pub(crate) trait Vectors: Copy {
    /// The f16 of eight rows in f32.
    fn widen(self, halves: &Halves) -> [f32; ROWS];

    /// Eight bytes as integers.
    fn extend(self, bytes: [u8; ROWS]) -> [i32; ROWS];

    /// Adds to each row's sum the products of its four codes, 0..=127, with four activations.
    fn dot_unsigned(self, sums: [i32; ROWS], codes: Lanes, quants: [i8; 4]) -> [i32; ROWS];

    /// Adds to each row's sum the products of its four signed codes with four activations, which
    /// are never -128.
    fn dot_signed(self, sums: [i32; ROWS], codes: Lanes, quants: [i8; 4]) -> [i32; ROWS];

    /// Adds to each row's sum the product of two of its integers.
    fn weigh(self, sums: [i32; ROWS], weights: [i32; ROWS], values: [i32; ROWS]) -> [i32; ROWS];

    /// Adds to each row's sum its integer in units of `scales[row] * scale`: three roundings.
    fn add_integers(
        self,
        sums: [f32; ROWS],
        values: [i32; ROWS],
        scales: &[f32; ROWS],
        scale: f32,
    ) -> [f32; ROWS];

    /// Adds to each row's sum its value times `factor`: two roundings.
    fn add_product(self, sums: [f32; ROWS], values: &[f32; ROWS], factor: f32) -> [f32; ROWS];

    /// Replaces every byte, 0..16, by the level that it numbers.
    fn look_up(self, levels: &[i8; 16], codes: Lanes) -> Lanes;

    /// Asks for the cache lines that lie `distance` bytes beyond `bytes`; a hint.
    fn prefetch(self, bytes: &[u8], distance: usize);
}

/// Plain Rust, on any CPU.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Vectors for Portable {
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
    fn dot_unsigned(self, mut sums: [i32; ROWS], codes: Lanes, quants: [i8; 4]) -> [i32; ROWS] {
        for (i, quant) in quants.into_iter().enumerate() {
            for (sum, word) in sums.iter_mut().zip(codes) {
                *sum += (word >> (8 * i) & 0xFF) as i32 * i32::from(quant);
            }
        }
        sums
    }

    #[inline(always)]
    fn dot_signed(self, mut sums: [i32; ROWS], codes: Lanes, quants: [i8; 4]) -> [i32; ROWS] {
        for (i, quant) in quants.into_iter().enumerate() {
            for (sum, word) in sums.iter_mut().zip(codes) {
                *sum += ((word << (24 - 8 * i)) as i32 >> 24) * i32::from(quant);
            }
        }
        sums
    }

    #[inline(always)]
    fn weigh(self, sums: [i32; ROWS], weights: [i32; ROWS], values: [i32; ROWS]) -> [i32; ROWS] {
        std::array::from_fn(|row| sums[row] + weights[row] * values[row])
    }

    #[inline(always)]
    fn add_integers(
        self,
        sums: [f32; ROWS],
        values: [i32; ROWS],
        scales: &[f32; ROWS],
        scale: f32,
    ) -> [f32; ROWS] {
        std::array::from_fn(|row| sums[row] + values[row] as f32 * (scales[row] * scale))
    }

    #[inline(always)]
    fn add_product(self, sums: [f32; ROWS], values: &[f32; ROWS], factor: f32) -> [f32; ROWS] {
        std::array::from_fn(|row| sums[row] + values[row] * factor)
    }

    #[inline(always)]
    fn look_up(self, levels: &[i8; 16], codes: Lanes) -> Lanes {
        codes.map(|word| {
            let bytes = word.to_le_bytes();
            u32::from_le_bytes(bytes.map(|code| levels[usize::from(code & 15)] as u8))
        })
    }

    #[inline(always)]
    fn prefetch(self, _bytes: &[u8], _distance: usize) {}
}
