//! [`Tile`] of two vectors: one row group.
//!
//! All codes are signed bytes: those of 0..=63 happen to be positive.

use std::arch::aarch64::*;

use super::super::insn;
use super::{Codes, Ints, Neon, Products, Reals, instructions};
use crate::arch::floats::Floats;
use crate::arch::tile::{Place, Tile};
use crate::arch::vectors::Vectors;
use crate::panel::Q8Panel;

impl<X: Products> Tile<Self> for Neon<X> {
    const GROUPS: usize = 1;
    const TILES: usize = 1;
    const STREAMED: bool = true;
    const CENTRED: bool = true;

    type Codes = Codes;
    type Reals = Reals;
    type Minima = [Ints; 2];
    type Dots = X::Dots;
    /// Sixteen at a time, as they lie in the panel.
    type Activations<'a, const P: usize> = [[int8x16_t; 2]; P];

    instructions! {
        fn codes(groups: [[uint8x16_t; 2]; 2]) -> Codes =
            [vreinterpretq_s8_u8(groups[0][0]), vreinterpretq_s8_u8(groups[0][1])];
        fn centred(codes: Codes, zero: i16) -> Codes = {
            let zero = vdupq_n_s8(zero as i8);
            [vsubq_s8(codes[0], zero), vsubq_s8(codes[1], zero)]
        };
    }

    #[inline(always)]
    fn join(self, groups: [Reals; 2]) -> Reals {
        groups[0]
    }

    #[inline(always)]
    fn gather(self, sums: [[Reals; 2]; 2]) -> Reals {
        sums[0][0]
    }

    #[inline(always)]
    fn split(self, sums: Reals) -> [[Reals; 2]; 2] {
        [[sums; 2]; 2]
    }

    #[inline(always)]
    fn minima(self, groups: [[Ints; 2]; 2]) -> [Ints; 2] {
        groups[0]
    }

    #[inline(always)]
    fn nothing(self) -> Reals {
        self.splat(0.0)
    }

    #[inline(always)]
    fn scales<const P: usize>(self, panel: &Q8Panel<P>, row: usize) -> Reals {
        match P {
            1 => self.splat(panel.scale(row)),
            _ => self.lane_of(scales_of_two(panel, row), row % 2),
        }
    }

    #[inline(always)]
    fn totals<const P: usize>(self, panel: &Q8Panel<P>, row: usize) -> Reals {
        match panel.totals.as_chunks().0 {
            [totals] => self.lane_of(totals, row),
            _ => self.splat(panel.totals[row]),
        }
    }

    #[inline(always)]
    fn product(self, a: Reals, b: Reals) -> Reals {
        self.mul(a, b)
    }

    #[inline(always)]
    fn plus_product(self, c: Reals, a: Reals, b: Reals) -> Reals {
        self.multiply_add(a, b, c)
    }

    #[inline(always)]
    fn activations<const P: usize>(self, panel: &Q8Panel<P>) -> [[int8x16_t; 2]; P] {
        let mut all = [self.codes([self.words(&[0; 32]); 2]); P];
        for (loaded, quants) in all.iter_mut().zip(&panel.quants) {
            *loaded = self.codes([self.words(bytemuck::cast_ref(quants)); 2]);
        }
        all
    }

    #[inline(always)]
    fn start<const P: usize>(
        self,
        sums: &[[i16; 2]; P],
        row: usize,
        zeros: [i16; 2],
    ) -> X::Dots {
        if let [0, 0] = zeros {
            return X::start(self);
        }
        let first = i32::from(sums[row][0]) * i32::from(zeros[0]);
        let second = i32::from(sums[row][1]) * i32::from(zeros[1]);
        X::start_at(self, -(first + second))
    }

    #[inline(always)]
    fn start_signed<const P: usize>(self, _sums: &[[i16; 2]; P], _row: usize) -> X::Dots {
        X::start(self)
    }

    #[inline(always)]
    fn dot<const MAX_CODE: i32, const P: usize>(
        self,
        dots: X::Dots,
        done: usize,
        codes: Codes,
        activations: [[int8x16_t; 2]; P],
        Place { row, piece }: Place,
    ) -> X::Dots {
        // All constants once the loops around are unrolled.
        let place = Q8Panel::<P>::place(row, piece);
        let sixteen = activations[place / 8][place / 4 % 2];
        match place % 4 {
            0 => X::dot::<MAX_CODE, 0>(self, dots, done, codes, sixteen),
            1 => X::dot::<MAX_CODE, 1>(self, dots, done, codes, sixteen),
            2 => X::dot::<MAX_CODE, 2>(self, dots, done, codes, sixteen),
            _ => X::dot::<MAX_CODE, 3>(self, dots, done, codes, sixteen),
        }
    }

    #[inline(always)]
    fn dot_signed<const P: usize>(
        self,
        dots: X::Dots,
        done: usize,
        codes: Codes,
        activations: [[int8x16_t; 2]; P],
        place: Place,
    ) -> X::Dots {
        self.dot::<128, P>(dots, done, codes, activations, place)
    }

    #[inline(always)]
    fn total(self, dots: X::Dots) -> Reals {
        X::total(self, dots)
    }

    #[inline(always)]
    fn weigh<const P: usize>(
        self,
        sums: &[[i16; 2]; P],
        row: usize,
        minima: [Ints; 2],
    ) -> Reals {
        self.weighed(sums[row], minima)
    }
}

/// Values of one step of row `row`, or of it and the next, and both again.
#[inline(always)]
pub(in crate::arch::aarch64) fn scales_of_two<const P: usize>(panel: &Q8Panel<P>, row: usize) -> &[f32; 4] {
    &panel.scales.as_flattened().as_chunks().0[row / 2]
}

impl<X: Products> Neon<X> {
    instructions! {
        // One load for several rows: products take a number of a vector.
        fn lane_of(rows: &[f32; 4], row: usize) -> Reals = {
            let rows = insn::load_f32(rows);
            let row = match row {
                0 => vdupq_laneq_f32::<0>(rows),
                1 => vdupq_laneq_f32::<1>(rows),
                2 => vdupq_laneq_f32::<2>(rows),
                _ => vdupq_laneq_f32::<3>(rows),
            };
            [row; 2]
        };
        fn weighed(sums: [i16; 2], minima: [Ints; 2]) -> Reals = {
            let [first, second] = sums.map(i32::from);
            let low = vmlaq_n_s32(vmulq_n_s32(minima[0][0], first), minima[1][0], second);
            let high = vmlaq_n_s32(vmulq_n_s32(minima[0][1], first), minima[1][1], second);
            [vcvtq_f32_s32(low), vcvtq_f32_s32(high)]
        };
    }
}
