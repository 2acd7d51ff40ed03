//! AVX-512 VNNI at 256 bits.
//!
//! `vpdpbusd` multiplies four unsigned by four signed bytes and adds them to a 32-bit sum: what
//! takes AVX2 three instructions and a range analysis. Vectors stay at 256 bits, eight rows, so the
//! packed form is the same; Zen 4 issues two of them a cycle, and no CPU lowers its clock for them.
//! Zero points enter as the first value of the sum. Results equal those of the AVX2 kernels.

use std::arch::x86_64::*;

use super::avx2::vectors::broadcast4;
use crate::arch::rows::rows;
use crate::contract::Kernel;

mod q4;
mod q6_k;
mod q8_0;

/// The rows of the table for this instruction set.
pub(crate) static KERNELS: &[Kernel] = rows![(Avx512Vnni, Fused, "x86_64-", "-avx512vnni-r8"):
    (Q4_0, "q4_0", Q8, q4::q4_0),
    (Q4_1, "q4_1", Q8, q4::q4_1),
    (Q8_0, "q8_0", Q8, q8_0::q8_0),
    (Q6K, "q6_k", Q8, q6_k::q6_k),
];

/// Adds the dot products of unsigned weights (`weights[j]`: columns `4 j ..` of eight rows) with
/// their activations to `first`, in two chains.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl,avx512vnni")]
fn dots<const N: usize>(first: __m256i, weights: &[__m256i; N], pieces: &[[i8; 4]]) -> __m256i {
    let (mut even, mut odd) = (first, _mm256_setzero_si256());
    for j in (0..N).step_by(2) {
        even = _mm256_dpbusd_epi32(even, weights[j], broadcast4(pieces[j]));
        odd = _mm256_dpbusd_epi32(odd, weights[j + 1], broadcast4(pieces[j + 1]));
    }
    _mm256_add_epi32(even, odd)
}
