//! AVX2 with FMA and F16C.

use std::arch::x86_64::*;

use super::mem::{load256, prefetch};
use super::ymm::{Dot, Products, Ymm};
use crate::arch::blocks::{kernels, quantised_rows};
use crate::arch::float_weights::{float_kernels, float_rows};
use crate::contract::{Kernel, Numerics};

/// The instruction set.
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

impl Products for Avx2 {
    const REGISTERS: usize = 16;
    const DOT: Option<Dot> = None;
}

impl Avx2 {
    /// The proof, to be had only where the instruction set may be used already.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(crate) fn here() -> Ymm<Avx2> {
        // SAFETY: this function's own target features.
        unsafe { Ymm::assume() }
    }
}

kernels! { bodies:
    #[target_feature(enable = "avx2,fma,f16c")]
    crate::arch::tile::Proofs::alike(super::Avx2::here()), 1
}

float_kernels! {
    #[target_feature(enable = "avx2,fma,f16c")]
    super::Avx2::here()
}

/// The rows of the table for this instruction set.
pub(super) static KERNELS: &[&[Kernel]] = &[
    quantised_rows!(Avx2, Numerics::Fused, Decode, "x86_64-", "-avx2-r8", bodies),
    quantised_rows!(Avx2, Numerics::Fused, Prefill, "x86_64-", "-avx2-r8x4", bodies),
    float_rows!(Avx2, Numerics::Fused, Decode, "x86_64-", "-avx2-r8"),
    float_rows!(Avx2, Numerics::Fused, Prefill, "x86_64-", "-avx2-r8x4"),
];

/// The portable quantiser, compiled for this instruction set.
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn quantize_blocks(values: &[f32], sink: impl FnMut(usize, f32, [i16; 2], [i8; 32])) {
    crate::arch::portable::quantize_blocks(values, sink);
}

/// Exclusive or of all bytes, prefetching 2 KiB ahead.
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn xor_of(bytes: &[u8]) -> u64 {
    const AHEAD: usize = 2048;
    let (chunks, rest) = bytes.as_chunks::<128>();
    let mut sums = [_mm256_setzero_si256(); 4];
    for chunk in chunks {
        prefetch::<2>(chunk, AHEAD);
        for (sum, vector) in sums.iter_mut().zip(chunk.as_chunks::<32>().0) {
            *sum = _mm256_xor_si256(*sum, load256(vector));
        }
    }
    let sum = _mm256_xor_si256(
        _mm256_xor_si256(sums[0], sums[1]),
        _mm256_xor_si256(sums[2], sums[3]),
    );
    let halves = _mm_xor_si128(
        _mm256_castsi256_si128(sum),
        _mm256_extracti128_si256::<1>(sum),
    );
    let words = _mm_cvtsi128_si64(halves) ^ _mm_extract_epi64::<1>(halves);
    words as u64 ^ crate::arch::portable::xor_of(rest)
}
