//! [`Vectors`] of 256 bits.
//!
//! `vpdpbusd` adds four products of unsigned and signed bytes to each 32-bit sum; signed codes become
//! unsigned by adding 128, which the activations' sums take out again. Without it, `vpmaddubsw` adds
//! two products in 16 bits, where they stay as long as the largest code allows, and signed codes
//! give their sign to the activation.

use std::arch::x86_64::*;

use super::super::mem;
use super::{Dot, Products, Ymm, instructions};
use crate::arch::vectors::Vectors;
use crate::layout::{Halves, ROWS};

/// Integer sums on the way: pairs of products in 16 bits, where `vpdpbusd` is missing, and 32-bit sums.
#[derive(Clone, Copy)]
pub(crate) struct Dots {
    narrow: __m256i,
    wide: __m256i,
}

impl<X: Products> Vectors for Ymm<X> {
    type Words = __m256i;
    type Ints = __m256i;
    type Dots = Dots;
    type Wide = X::Wide;

    const SIGNED_ZERO: i16 = if X::DOT.is_some() { 128 } else { 0 };

    #[inline(always)]
    fn wide(self) -> X::Wide {
        X::wide(self)
    }

    instructions! {
        fn widen(halves: &Halves) -> __m256 = _mm256_cvtph_ps(mem::load128(halves));
        fn extend(bytes: [u8; ROWS]) -> __m256i =
            _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(i64::from_le_bytes(bytes)));
        fn extend_signed(bytes: [i8; ROWS]) -> __m256i =
            _mm256_cvtepi8_epi32(_mm_cvtsi64_si128(bytemuck::cast(bytes)));
        fn integer(value: i32) -> __m256i = _mm256_set1_epi32(value);
        fn plus(a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi32(a, b);
        fn times(a: __m256i, b: __m256i) -> __m256i = _mm256_mullo_epi32(a, b);
        fn weigh_sums(sums: [i16; 2], weights: __m256i) -> __m256i =
            _mm256_madd_epi16(_mm256_set1_epi32(bytemuck::cast(sums)), weights);
        fn real(values: __m256i) -> __m256 = _mm256_cvtepi32_ps(values);
        fn words(bytes: &[u8; 32]) -> __m256i = mem::load256(bytes);
        fn field(words: __m256i, mask: u8, from: usize, to: usize) -> __m256i = {
            // Counts are constants once the loops around are unrolled.
            let (right, left) = (from.saturating_sub(to), to.saturating_sub(from));
            let words = _mm256_srl_epi32(words, _mm_cvtsi32_si128(right as i32));
            let words = _mm256_sll_epi32(words, _mm_cvtsi32_si128(left as i32));
            _mm256_and_si256(words, _mm256_set1_epi8((mask << to) as i8))
        };
        fn or(a: __m256i, b: __m256i) -> __m256i = _mm256_or_si256(a, b);
    }

    #[inline(always)]
    fn signed(self, words: __m256i) -> __m256i {
        if X::DOT.is_none() {
            return words;
        }
        // SAFETY: `self` exists, so the CPU has the instruction set.
        unsafe { flip_signs(words) }
    }

    #[inline(always)]
    fn look_up(self, levels: &[i8; 16], codes: __m256i) -> __m256i {
        let levels = match X::DOT {
            Some(_) => levels.map(|level| level ^ i8::MIN),
            None => *levels,
        };
        // SAFETY: as in `signed`.
        unsafe { shuffle(levels, codes) }
    }

    #[inline(always)]
    fn start(self, first: __m256i) -> Dots {
        Dots {
            narrow: self.integer(0),
            wide: first,
        }
    }

    #[inline(always)]
    fn dot<const MOST: i32>(
        self,
        dots: Dots,
        step: usize,
        codes: __m256i,
        quants: [i8; 4],
    ) -> Dots {
        let Dots { narrow, wide } = dots;
        if let Some(dot) = X::DOT {
            let wide = self.dot_unsigned(dot, wide, codes, quants);
            return Dots { narrow, wide };
        }
        // Steps whose sums of two products fit 16 bits together.
        let steps = const { (i16::MAX as i32 / (2 * 127 * MOST)) as usize };
        // SAFETY: as in `signed`.
        unsafe {
            let products = multiply(codes, quants);
            if step.is_multiple_of(steps) {
                let wide = if step == 0 {
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
    fn dot_signed(self, dots: Dots, codes: __m256i, quants: [i8; 4]) -> Dots {
        let Dots { narrow, wide } = dots;
        let wide = match X::DOT {
            Some(dot) => self.dot_unsigned(dot, wide, codes, quants),
            // SAFETY: as in `signed`.
            None => unsafe { add_pairs(wide, multiply_signed(codes, quants)) },
        };
        Dots { narrow, wide }
    }

    #[inline(always)]
    fn finish(self, dots: Dots) -> __m256i {
        match X::DOT {
            Some(_) => dots.wide,
            // SAFETY: as in `signed`.
            None => unsafe { add_pairs(dots.wide, dots.narrow) },
        }
    }
}

impl<X: Products> Ymm<X> {
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

/// Adds 128 to every signed byte.
#[inline]
#[target_feature(enable = "avx2")]
fn flip_signs(words: __m256i) -> __m256i {
    _mm256_xor_si256(words, _mm256_set1_epi8(i8::MIN))
}

/// The level that every byte numbers.
#[inline]
#[target_feature(enable = "avx2")]
fn shuffle(levels: [i8; 16], codes: __m256i) -> __m256i {
    let levels = _mm256_broadcastsi128_si256(bytemuck::cast(levels));
    _mm256_shuffle_epi8(levels, codes)
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
