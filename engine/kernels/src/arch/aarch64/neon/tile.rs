//! [`Tile`] of two vectors: one row group.
//!
//! All codes are signed bytes: those of 0..=63 happen to be positive.

use std::arch::aarch64::*;

use super::{Codes, Ints, Neon, Products, Reals, instructions};
use crate::arch::floats::Floats;
use crate::arch::tile::Tile;
use crate::arch::vectors::Vectors;
use crate::panel::Q8Panel;

impl<X: Products> Tile<Self> for Neon<X> {
    const GROUPS: usize = 1;
    const TILES: usize = 1;
    const STREAMED: usize = 4;
    const SIDE_BY_SIDE: usize = X::SIDE_BY_SIDE;

    type Codes = Codes;
    type Reals = Reals;
    type Minima = [Ints; 2];
    type Dots = X::Dots;
    /// Columns 0..16 and 16..32 of each row.
    type Activations<'a, const P: usize> = [[int8x16_t; 2]; P];

    instructions! {
        fn codes(groups: [[uint8x16_t; 2]; 2]) -> Codes =
            [vreinterpretq_s8_u8(groups[0][0]), vreinterpretq_s8_u8(groups[0][1])];
        fn weigh(sums: [i16; 2], minima: [Ints; 2]) -> Reals = {
            let [first, second] = sums.map(i32::from);
            let low = vmlaq_n_s32(vmulq_n_s32(minima[0][0], first), minima[1][0], second);
            let high = vmlaq_n_s32(vmulq_n_s32(minima[0][1], first), minima[1][1], second);
            [vcvtq_f32_s32(low), vcvtq_f32_s32(high)]
        };
    }

    #[inline(always)]
    fn join(self, groups: [Reals; 2]) -> Reals {
        groups[0]
    }

    #[inline(always)]
    fn split(self, reals: Reals) -> [Reals; 2] {
        [reals; 2]
    }

    #[inline(always)]
    fn minima(self, groups: [[Ints; 2]; 2]) -> [Ints; 2] {
        groups[0]
    }

    #[inline(always)]
    fn all(self, value: f32) -> Reals {
        self.splat(value)
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
        let mut rows = [self.codes([self.words(&[0; 32]); 2]); P];
        for (row, quants) in rows.iter_mut().zip(&panel.quants) {
            *row = self.codes([self.words(bytemuck::cast_ref(quants)); 2]);
        }
        rows
    }

    #[inline(always)]
    fn start(self, sums: [i16; 2], zeros: [i16; 2]) -> X::Dots {
        let [first, second] = [0, 1].map(|half| i32::from(sums[half]) * i32::from(zeros[half]));
        X::start(self, -(first + second))
    }

    #[inline(always)]
    fn start_signed(self, _sums: [i16; 2]) -> X::Dots {
        X::start(self, 0)
    }

    #[inline(always)]
    fn dot<const MOST: i32, const P: usize>(
        self,
        dots: X::Dots,
        done: usize,
        codes: Codes,
        activations: [[int8x16_t; 2]; P],
        (row, piece): (usize, usize),
    ) -> X::Dots {
        let sixteen = activations[row][piece / 4];
        X::dot::<MOST>(self, dots, done, codes, sixteen, piece % 4)
    }

    #[inline(always)]
    fn dot_signed<const P: usize>(
        self,
        dots: X::Dots,
        done: usize,
        codes: Codes,
        activations: [[int8x16_t; 2]; P],
        place: (usize, usize),
    ) -> X::Dots {
        self.dot::<128, P>(dots, done, codes, activations, place)
    }

    #[inline(always)]
    fn total(self, dots: X::Dots) -> Reals {
        X::total(self, dots)
    }
}
