//! [`Vectors`] of 256 bits.
//!
//! `vpdpbusd` multiplies unsigned with signed bytes: where it is there, signed codes become unsigned by
//! adding 128, which the tile takes out again.

use std::arch::x86_64::*;

use super::super::mem;
use super::{Products, Ymm, instructions};
use crate::arch::vectors::Vectors;
use crate::layout::{Halves, ROWS};

impl<X: Products> Vectors for Ymm<X> {
    type Words = __m256i;
    type Ints = __m256i;

    instructions! {
        fn widen(halves: &Halves) -> __m256 = _mm256_cvtph_ps(mem::load128(halves));
        fn extend(bytes: [u8; ROWS]) -> __m256i =
            _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(i64::from_le_bytes(bytes)));
        fn extend_signed(bytes: [i8; ROWS]) -> __m256i =
            _mm256_cvtepi8_epi32(_mm_cvtsi64_si128(bytemuck::cast(bytes)));
        fn integer(value: i32) -> __m256i = _mm256_set1_epi32(value);
        fn plus(a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi32(a, b);
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
