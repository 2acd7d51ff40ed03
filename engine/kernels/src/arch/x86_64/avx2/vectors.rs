//! The few vector idioms that the kernels share.

use std::arch::x86_64::*;

use super::super::mem::load128;

/// Eight f16 scales in f32.
#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(in super::super) fn scales(bytes: &[u8; 16]) -> __m256 {
    _mm256_cvtph_ps(load128(bytes))
}

/// Four activations in every lane.
#[inline]
#[target_feature(enable = "avx2")]
pub(in super::super) fn broadcast4(quants: [i8; 4]) -> __m256i {
    _mm256_set1_epi32(i32::from_le_bytes(quants.map(|quant| quant as u8)))
}

/// Two 16-bit sums in every lane.
#[inline]
#[target_feature(enable = "avx2")]
pub(in super::super) fn broadcast_sums(sums: [i16; 2]) -> __m256i {
    let (first, second) = (u32::from(sums[0] as u16), u32::from(sums[1] as u16));
    _mm256_set1_epi32((first | second << 16) as i32)
}

/// Low and high nibbles of every byte.
#[inline]
#[target_feature(enable = "avx2")]
pub(in super::super) fn nibbles(bytes: __m256i) -> [__m256i; 2] {
    let mask = _mm256_set1_epi8(15);
    [
        _mm256_and_si256(bytes, mask),
        _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), mask),
    ]
}
