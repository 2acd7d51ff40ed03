//! [`Tile`] of 256 bits: one row group.
//!
//! `vpdpbusd` adds four products of unsigned and signed bytes to each 32-bit sum; of signed codes, which
//! are unsigned by 128, the activations' sums take that out. Without it, `vpmaddubsw` adds two products in
//! 16 bits, where they stay as long as the largest code allows, and signed codes give their sign to the
//! activation.

use std::arch::x86_64::*;

use super::{Dot, Products, Ymm, instructions};
use crate::arch::floats::Floats;
use crate::arch::tile::{Place, Tile};
use crate::arch::vectors::Vectors;
use crate::panel::Q8Panel;

/// Integer sums on the way: pairs of products in 16 bits, where `vpdpbusd` is missing, and 32-bit sums.
#[derive(Clone, Copy)]
pub(crate) struct Dots {
    narrow: __m256i,
    wide: __m256i,
}

impl<X: Products> Tile<Self> for Ymm<X> {
    const GROUPS: usize = 1;
    const TILES: usize = 1;

    type Codes = __m256i;
    type Reals = __m256;
    /// The two minima of a row are the halves of an integer, as `vpmaddwd` wants them.
    type Minima = __m256i;
    type Dots = Dots;
    type Activations<'a, const P: usize> = &'a Q8Panel<P>;

    #[inline(always)]
    fn codes(self, groups: [__m256i; 2]) -> __m256i {
        groups[0]
    }

    #[inline(always)]
    fn join(self, groups: [__m256; 2]) -> __m256 {
        groups[0]
    }

    #[inline(always)]
    fn gather(self, sums: [[__m256; 2]; 2]) -> __m256 {
        sums[0][0]
    }

    #[inline(always)]
    fn split(self, sums: __m256) -> [[__m256; 2]; 2] {
        [[sums; 2]; 2]
    }

    #[inline(always)]
    fn minima(self, groups: [[__m256i; 2]; 2]) -> __m256i {
        self.pair(groups[0])
    }

    #[inline(always)]
    fn nothing(self) -> __m256 {
        self.splat(0.0)
    }

    #[inline(always)]
    fn scales<const P: usize>(self, panel: &Q8Panel<P>, row: usize) -> __m256 {
        self.splat(panel.scale(row))
    }

    #[inline(always)]
    fn totals<const P: usize>(self, panel: &Q8Panel<P>, row: usize) -> __m256 {
        self.splat(panel.totals[row])
    }

    #[inline(always)]
    fn product(self, a: __m256, b: __m256) -> __m256 {
        self.mul(a, b)
    }

    #[inline(always)]
    fn plus_product(self, c: __m256, a: __m256, b: __m256) -> __m256 {
        self.multiply_add(a, b, c)
    }

    #[inline(always)]
    fn activations<const P: usize>(self, panel: &Q8Panel<P>) -> &Q8Panel<P> {
        panel
    }

    #[inline(always)]
    fn start<const P: usize>(self, sums: &[[i16; 2]; P], row: usize, zeros: [i16; 2]) -> Dots {
        let wide = match zeros {
            [0, 0] => self.integer(0),
            _ => self.weigh_alike(sums[row], zeros.map(|zero| -zero)),
        };
        Dots {
            narrow: self.integer(0),
            wide,
        }
    }

    #[inline(always)]
    fn start_signed<const P: usize>(self, sums: &[[i16; 2]; P], row: usize) -> Dots {
        self.start(sums, row, [if X::DOT.is_some() { 128 } else { 0 }; 2])
    }

    #[inline(always)]
    fn dot<const MAX_CODE: i32, const P: usize>(
        self,
        dots: Dots,
        done: usize,
        codes: __m256i,
        activations: &Q8Panel<P>,
        Place { row, piece }: Place,
    ) -> Dots {
        let quants = activations.piece(row, piece);
        let Dots { narrow, wide } = dots;
        if let Some(dot) = X::DOT {
            let wide = self.dot_unsigned(dot, wide, codes, quants);
            return Dots { narrow, wide };
        }
        // As many as fit 16 bits together.
        let fit = const { (i16::MAX as i32 / (2 * 127 * MAX_CODE)) as usize };
        // SAFETY: `self` exists, so the CPU has the instruction set.
        unsafe {
            let products = multiply(codes, quants);
            if done.is_multiple_of(fit) {
                let wide = if done == 0 {
                    wide
                } else {
                    add_pairs(wide, narrow)
                };
                return Dots {
                    narrow: products,
                    wide,
                };
            }
            Dots {
                narrow: add16(narrow, products),
                wide,
            }
        }
    }

    #[inline(always)]
    fn dot_signed<const P: usize>(
        self,
        dots: Dots,
        _done: usize,
        codes: __m256i,
        activations: &Q8Panel<P>,
        Place { row, piece }: Place,
    ) -> Dots {
        let quants = activations.piece(row, piece);
        let Dots { narrow, wide } = dots;
        let wide = match X::DOT {
            Some(dot) => self.dot_unsigned(dot, wide, codes, quants),
            // SAFETY: as in `dot`.
            None => unsafe { add_pairs(wide, multiply_signed(codes, quants)) },
        };
        Dots { narrow, wide }
    }

    #[inline(always)]
    fn total(self, dots: Dots) -> __m256 {
        self.real(match X::DOT {
            Some(_) => dots.wide,
            // SAFETY: as in `dot`.
            None => unsafe { add_pairs(dots.wide, dots.narrow) },
        })
    }

    #[inline(always)]
    fn weigh<const P: usize>(self, sums: &[[i16; 2]; P], row: usize, minima: __m256i) -> __m256 {
        self.real(self.weigh_pairs(sums[row], minima))
    }
}

impl<X: Products> Ymm<X> {
    instructions! {
        fn pair(numbers: [__m256i; 2]) -> __m256i =
            _mm256_add_epi32(numbers[0], _mm256_slli_epi32::<16>(numbers[1]));
        fn weigh_pairs(sums: [i16; 2], weights: __m256i) -> __m256i =
            _mm256_madd_epi16(_mm256_set1_epi32(bytemuck::cast(sums)), weights);
        fn weigh_alike(sums: [i16; 2], weights: [i16; 2]) -> __m256i = _mm256_madd_epi16(
            _mm256_set1_epi32(bytemuck::cast(sums)),
            _mm256_set1_epi32(bytemuck::cast(weights))
        );
    }

    /// Four products of unsigned codes with activations, added to each sum.
    #[inline(always)]
    fn dot_unsigned(self, dot: Dot, sums: __m256i, codes: __m256i, quants: [i8; 4]) -> __m256i {
        #[inline]
        #[target_feature(enable = "avx2,avxvnni")]
        fn vex(sums: __m256i, codes: __m256i, quants: [i8; 4]) -> __m256i {
            _mm256_dpbusd_avx_epi32(sums, codes, broadcast(quants))
        }
        #[inline]
        #[target_feature(enable = "avx2,avx512f,avx512vl,avx512vnni")]
        fn evex(sums: __m256i, codes: __m256i, quants: [i8; 4]) -> __m256i {
            _mm256_dpbusd_epi32(sums, codes, broadcast(quants))
        }
        match dot {
            // SAFETY: `self` exists, so the CPU has the extension that says this encoding.
            Dot::Vex => unsafe { vex(sums, codes, quants) },
            // SAFETY: as above.
            Dot::Evex => unsafe { evex(sums, codes, quants) },
        }
    }
}

/// Four activations in every lane.
#[inline]
#[target_feature(enable = "avx2")]
fn broadcast(quants: [i8; 4]) -> __m256i {
    _mm256_set1_epi32(bytemuck::cast(quants))
}

/// Sums of two products.
#[inline]
#[target_feature(enable = "avx2")]
fn multiply(codes: __m256i, quants: [i8; 4]) -> __m256i {
    _mm256_maddubs_epi16(codes, broadcast(quants))
}

/// Sums of two products of signed codes: two of 128 by 127 fit.
#[inline]
#[target_feature(enable = "avx2")]
fn multiply_signed(codes: __m256i, quants: [i8; 4]) -> __m256i {
    let quants = _mm256_sign_epi8(broadcast(quants), codes);
    _mm256_maddubs_epi16(_mm256_abs_epi8(codes), quants)
}

/// 16-bit sums.
#[inline]
#[target_feature(enable = "avx2")]
fn add16(a: __m256i, b: __m256i) -> __m256i {
    _mm256_add_epi16(a, b)
}

/// Adds pairs of 16-bit sums to 32-bit ones.
#[inline]
#[target_feature(enable = "avx2")]
fn add_pairs(sums: __m256i, products: __m256i) -> __m256i {
    _mm256_add_epi32(sums, _mm256_madd_epi16(products, _mm256_set1_epi16(1)))
}
