//! [`Tile`] in plain Rust: eight sums.

use crate::arch::floats::{Floats, PlainFloats};
use crate::arch::tile::{Place, Tile};
use crate::arch::vectors::Vectors;
use crate::layout::ROWS;
use crate::panel::Q8Panel;

impl Tile<PlainFloats> for PlainFloats {
    const GROUPS: usize = 1;
    const TILES: usize = 1;

    type Codes = [u32; ROWS];
    type Reals = [f32; ROWS];
    type Minima = [[i32; ROWS]; 2];
    type Dots = [i32; ROWS];
    type Activations<'a, const P: usize> = &'a Q8Panel<P>;

    #[inline(always)]
    fn codes(self, groups: [[u32; ROWS]; 2]) -> [u32; ROWS] {
        groups[0]
    }

    #[inline(always)]
    fn join(self, groups: [[f32; ROWS]; 2]) -> [f32; ROWS] {
        groups[0]
    }

    #[inline(always)]
    fn gather(self, sums: [[[f32; ROWS]; 2]; 2]) -> [f32; ROWS] {
        sums[0][0]
    }

    #[inline(always)]
    fn split(self, sums: [f32; ROWS]) -> [[[f32; ROWS]; 2]; 2] {
        [[sums; 2]; 2]
    }

    #[inline(always)]
    fn minima(self, groups: [[[i32; ROWS]; 2]; 2]) -> [[i32; ROWS]; 2] {
        groups[0]
    }

    #[inline(always)]
    fn nothing(self) -> [f32; ROWS] {
        self.splat(0.0)
    }

    #[inline(always)]
    fn scales<const P: usize>(self, panel: &Q8Panel<P>, row: usize) -> [f32; ROWS] {
        self.splat(panel.scale(row))
    }

    #[inline(always)]
    fn totals<const P: usize>(self, panel: &Q8Panel<P>, row: usize) -> [f32; ROWS] {
        self.splat(panel.totals[row])
    }

    #[inline(always)]
    fn product(self, a: [f32; ROWS], b: [f32; ROWS]) -> [f32; ROWS] {
        self.mul(a, b)
    }

    #[inline(always)]
    fn plus_product(self, c: [f32; ROWS], a: [f32; ROWS], b: [f32; ROWS]) -> [f32; ROWS] {
        self.multiply_add(a, b, c)
    }

    #[inline(always)]
    fn activations<const P: usize>(self, panel: &Q8Panel<P>) -> &Q8Panel<P> {
        panel
    }

    #[inline(always)]
    fn start<const P: usize>(
        self,
        sums: &[[i16; 2]; P],
        row: usize,
        zeros: [i16; 2],
    ) -> [i32; ROWS] {
        let sums = sums[row];
        let [first, second] = [0, 1].map(|half| i32::from(sums[half]) * i32::from(zeros[half]));
        [-(first + second); ROWS]
    }

    #[inline(always)]
    fn start_signed<const P: usize>(self, _sums: &[[i16; 2]; P], _row: usize) -> [i32; ROWS] {
        [0; ROWS]
    }

    #[inline(always)]
    fn dot<const MAX_CODE: i32, const P: usize>(
        self,
        mut dots: [i32; ROWS],
        _done: usize,
        codes: [u32; ROWS],
        activations: &Q8Panel<P>,
        Place { row, piece }: Place,
    ) -> [i32; ROWS] {
        for (i, quant) in activations.piece(row, piece).into_iter().enumerate() {
            for (sum, word) in dots.iter_mut().zip(codes) {
                *sum += (word >> (8 * i) & 0xFF) as i32 * i32::from(quant);
            }
        }
        dots
    }

    #[inline(always)]
    fn dot_signed<const P: usize>(
        self,
        mut dots: [i32; ROWS],
        _done: usize,
        codes: [u32; ROWS],
        activations: &Q8Panel<P>,
        Place { row, piece }: Place,
    ) -> [i32; ROWS] {
        for (i, quant) in activations.piece(row, piece).into_iter().enumerate() {
            for (sum, word) in dots.iter_mut().zip(codes) {
                *sum += ((word << (24 - 8 * i)) as i32 >> 24) * i32::from(quant);
            }
        }
        dots
    }

    #[inline(always)]
    fn total(self, dots: [i32; ROWS]) -> [f32; ROWS] {
        self.real(dots)
    }

    #[inline(always)]
    fn weigh<const P: usize>(
        self,
        sums: &[[i16; 2]; P],
        row: usize,
        minima: [[i32; ROWS]; 2],
    ) -> [f32; ROWS] {
        let [first, second] = sums[row].map(i32::from);
        let weighed = |row| first * minima[0][row] + second * minima[1][row];
        self.real(std::array::from_fn(weighed))
    }
}
