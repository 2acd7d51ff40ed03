//! AVX2 with FMA and F16C.
//!
//! Eight rows meet one broadcast piece of the activations in every instruction. Unsigned quants
//! times signed ones go through `vpmaddubsw`, whose 16-bit sums are added as long as the block
//! type's range allows and widened once; zero points are taken out through the activations' sums.

use std::arch::x86_64::*;

use super::mem::{load256, prefetch};

use crate::arch::rows::rows;
use crate::contract::Kernel;

mod auto;
mod floats;
mod plain;
pub(super) mod q4;
pub(super) mod q6_k;
mod q8_0;
pub(super) mod vectors;

pub(crate) use auto::KERNELS as AUTO_KERNELS;

/// The rows of the table for this instruction set.
pub(crate) static KERNELS: &[Kernel] = rows![(Avx2, Fused, "x86_64-", "-avx2-r8"):
    (F32, "f32", F32, plain::f32),
    (F16, "f16", F32, plain::f16),
    (BF16, "bf16", F32, plain::bf16),
    (Q4_0, "q4_0", Q8, q4::q4_0),
    (Q4_1, "q4_1", Q8, q4::q4_1),
    (Q8_0, "q8_0", Q8, q8_0::q8_0),
    (Q6K, "q6_k", Q8, q6_k::q6_k),
];

/// AVX2, FMA and F16C: whoever holds it runs on a CPU that has them, with that many registers.
#[derive(Clone, Copy)]
pub(crate) struct Avx2<const REGISTERS: usize = 16>(());

impl<const REGISTERS: usize> Avx2<REGISTERS> {
    /// The proof, to be had only where the instruction set may be used already.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(crate) fn here() -> Self {
        Self(())
    }
}

/// The portable quantiser, compiled for this instruction set.
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn quantize_blocks(values: &[f32], sink: impl FnMut(usize, f32, [i16; 2], [i8; 32])) {
    crate::arch::portable::quantize_blocks(values, sink);
}

/// Exclusive or of all bytes, prefetching 2 KiB ahead.
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn stream_read(bytes: &[u8]) -> u64 {
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
    words as u64 ^ crate::stream::fold(rest)
}
