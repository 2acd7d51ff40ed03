//! [`Floats`] of 256 bits: one instruction each.

use std::arch::x86_64::*;

use super::super::mem;
use super::{Products, Ymm, instructions};
use crate::arch::floats::Floats;

impl<X: Products> Floats for Ymm<X> {
    type Lanes = __m256;

    const REGISTERS: usize = X::REGISTERS;

    instructions! {
        fn splat(value: f32) -> __m256 = _mm256_set1_ps(value);
        fn load(values: &[f32; 8]) -> __m256 = mem::load_f32(values);
        fn load_f16(values: &[u16; 8]) -> __m256 =
            _mm256_cvtph_ps(mem::load128(bytemuck::cast_ref(values)));
        fn load_bf16(values: &[u16; 8]) -> __m256 = {
            let halves = _mm256_cvtepu16_epi32(mem::load128(bytemuck::cast_ref(values)));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(halves))
        };
        fn load_i8(values: &[i8; 8]) -> __m256 = {
            let bytes = _mm_cvtsi64_si128(i64::from_le_bytes(bytemuck::cast(*values)));
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes))
        };
        fn store(lanes: __m256, out: &mut [f32; 8]) = mem::store_f32(out, lanes);
        fn to_f16(lanes: __m256) -> [u16; 8] = {
            let half = _mm256_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT }>(lanes);
            bytemuck::cast([_mm_cvtsi128_si64(half), _mm_extract_epi64::<1>(half)])
        };
        fn add(a: __m256, b: __m256) -> __m256 = _mm256_add_ps(a, b);
        fn sub(a: __m256, b: __m256) -> __m256 = _mm256_sub_ps(a, b);
        fn mul(a: __m256, b: __m256) -> __m256 = _mm256_mul_ps(a, b);
        fn div(a: __m256, b: __m256) -> __m256 = _mm256_div_ps(a, b);
        fn multiply_add(a: __m256, b: __m256, c: __m256) -> __m256 = _mm256_fmadd_ps(a, b, c);
        fn max(a: __m256, b: __m256) -> __m256 = _mm256_max_ps(a, b);
        fn min(a: __m256, b: __m256) -> __m256 = _mm256_min_ps(a, b);
        fn times_power(value: __m256, exponent: __m256) -> __m256 = {
            let power = _mm256_slli_epi32::<23>(_mm256_castps_si256(exponent));
            let one = _mm256_set1_epi32(127 << 23);
            _mm256_mul_ps(value, _mm256_castsi256_ps(_mm256_add_epi32(power, one)))
        };
        fn zero_below(x: __m256, limit: f32, value: __m256) -> __m256 = {
            let below = _mm256_cmp_ps::<_CMP_LT_OQ>(x, _mm256_set1_ps(limit));
            _mm256_andnot_ps(below, value)
        };
    }

    #[inline(always)]
    fn prefetch<T>(self, place: &T, distance: usize) {
        let address = std::ptr::from_ref(place).wrapping_byte_add(distance);
        // SAFETY: `self` exists, so the CPU has the instruction, which faults on no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }

    #[inline(always)]
    fn prefetch_level_2<T>(self, place: &T, distance: usize) {
        let address = std::ptr::from_ref(place).wrapping_byte_add(distance);
        // SAFETY: as in `prefetch`.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
    }
}
