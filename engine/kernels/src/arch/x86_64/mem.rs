//! Loads, stores and prefetches by array reference: most of this architecture's `unsafe`.
//!
//! A reference to an array proves that its bytes are there; the unaligned forms of the
//! instructions ask for nothing else.

use std::arch::x86_64::*;

/// 32 bytes.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load256(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the reference covers the 32 bytes read; the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// 16 bytes.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load128(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the reference covers the 16 bytes read; the load needs no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

/// Writes eight f32.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn store_f32(out: &mut [f32; 8], values: __m256) {
    // SAFETY: the reference covers the 32 bytes written; the store needs no alignment.
    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), values) }
}

/// Asks for `LINES` cache lines from `distance` bytes beyond the start of `bytes`: a hint, which
/// reads nothing and faults on no address.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn prefetch<const LINES: usize>(bytes: &[u8], distance: usize) {
    for line in 0..LINES {
        let address = bytes.as_ptr().wrapping_add(distance + 64 * line);
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
}

/// Eight f32.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load_f32(values: &[f32; 8]) -> __m256 {
    // SAFETY: the reference covers the 32 bytes read; the load needs no alignment.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}
