//! AVX-512 VNNI at 256 bits.
//!
//! `vpdpbusd` multiplies four unsigned by four signed bytes and adds them to a 32-bit sum: what
//! takes AVX2 three instructions and a range analysis. Vectors stay at 256 bits, eight rows, so the
//! packed form is the same; Zen 4 issues two of them a cycle, and no CPU lowers its clock for them.
//! Zero points enter as the first value of the sum. Results equal those of the AVX2 kernels.

use std::arch::x86_64::*;

use sysinfer_formats::TensorType;

use super::avx2::vectors::broadcast4;
use crate::activations::ActivationKind::Q8;
use crate::isa::Isa;
use crate::table::Numerics::Fused;
use crate::table::{Body, Kernel, Role};

mod q4;
mod q6_k;
mod q8_0;

/// A decode and a prefill row for one block type: the same bodies serve both.
macro_rules! rows {
    ($(($block:ident, $text:literal, $module:ident::$body:ident)),+ $(,)?) => {
        &[$(
            row(TensorType::$block, concat!("x86_64-", $text, "-avx512vnni-r8"), Role::Decode,
                [$module::$body::<1>, $module::$body::<2>, $module::$body::<4>]),
            row(TensorType::$block, concat!("x86_64-", $text, "-avx512vnni-r8x4"), Role::Prefill,
                [$module::$body::<1>, $module::$body::<2>, $module::$body::<4>]),
        )+]
    };
}

const fn row(block: TensorType, name: &'static str, role: Role, bodies: [Body; 3]) -> Kernel {
    let isa = Isa::Avx512Vnni;
    Kernel {
        name,
        block,
        role,
        isa,
        activations: Q8,
        numerics: Fused,
        bodies,
    }
}

/// The rows of the table for this instruction set.
pub(crate) static KERNELS: &[Kernel] = rows![
    (Q4_0, "q4_0", q4::q4_0),
    (Q4_1, "q4_1", q4::q4_1),
    (Q8_0, "q8_0", q8_0::q8_0),
    (Q6K, "q6_k", q6_k::q6_k),
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
