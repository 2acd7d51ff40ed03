//! The loops of `portable` compiled for AVX2, for block types that have no kernel written by hand.
//!
//! Unpacking and scaling are left to the compiler; what it does not find is [`Avx2`]'s. Products and
//! sums are rounded separately, as in the portable kernels, whose bits they give.

use std::arch::x86_64::*;

use super::super::mem;
use super::Avx2;
use super::vectors::broadcast4;
use crate::arch::portable::quantised;
use crate::arch::rows::rows;
use crate::arch::vectors::{Lanes, Vectors};
use crate::contract::Kernel;
use crate::layout::{Halves, ROWS};

/// The rows of the table for this instruction set that are compiled, not written.
pub(crate) static KERNELS: &[Kernel] = rows![(Avx2, Separate, "x86_64-", "-avx2-auto-r8"):
    (Q5_0, "q5_0", Q8, bodies::q5_0),
    (Q5_1, "q5_1", Q8, bodies::q5_1),
    (Q2K, "q2_k", Q8, bodies::q2_k),
    (Q3K, "q3_k", Q8, bodies::q3_k),
    (Q4K, "q4_k", Q8, bodies::q4_k),
    (Q5K, "q5_k", Q8, bodies::q5_k),
    (Iq4Nl, "iq4_nl", Q8, bodies::iq4_nl),
    (Iq4Xs, "iq4_xs", Q8, bodies::iq4_xs),
];

mod bodies {
    //! The bodies of those rows.

    super::quantised! {
        #[target_feature(enable = "avx2,fma,f16c")]
        super::Avx2::here();
        q5_0: by_32(PackedQ5_0),
        q5_1: by_32(PackedQ5_1),
        q2_k: by_16(PackedQ2K),
        q3_k: by_16(PackedQ3K),
        q4_k: by_32(PackedQ4K),
        q5_k: by_32(PackedQ5K),
        iq4_nl: by_32(PackedIq4Nl),
        iq4_xs: by_32(PackedIq4Xs),
    }
}

impl Vectors for Avx2 {
    #[inline(always)]
    fn widen(self, halves: &Halves) -> [f32; ROWS] {
        // SAFETY: `self` exists, so the CPU has the instruction set.
        unsafe { widen(halves) }
    }

    #[inline(always)]
    fn extend(self, bytes: [u8; ROWS]) -> [i32; ROWS] {
        // SAFETY: as in `widen`.
        unsafe { extend(bytes) }
    }

    #[inline(always)]
    fn dot_unsigned(self, sums: [i32; ROWS], codes: Lanes, quants: [i8; 4]) -> [i32; ROWS] {
        // SAFETY: as in `widen`.
        unsafe { dot_unsigned(sums, codes, quants) }
    }

    #[inline(always)]
    fn dot_signed(self, sums: [i32; ROWS], codes: Lanes, quants: [i8; 4]) -> [i32; ROWS] {
        // SAFETY: as in `widen`.
        unsafe { dot_signed(sums, codes, quants) }
    }

    #[inline(always)]
    fn weigh(self, sums: [i32; ROWS], weights: [i32; ROWS], values: [i32; ROWS]) -> [i32; ROWS] {
        // SAFETY: as in `widen`.
        unsafe { weigh(sums, weights, values) }
    }

    #[inline(always)]
    fn add_integers(
        self,
        sums: [f32; ROWS],
        values: [i32; ROWS],
        scales: &[f32; ROWS],
        scale: f32,
    ) -> [f32; ROWS] {
        // SAFETY: as in `widen`.
        unsafe { add_integers(sums, values, scales, scale) }
    }

    #[inline(always)]
    fn add_product(self, sums: [f32; ROWS], values: &[f32; ROWS], factor: f32) -> [f32; ROWS] {
        // SAFETY: as in `widen`.
        unsafe { add_product(sums, values, factor) }
    }

    #[inline(always)]
    fn look_up(self, levels: &[i8; 16], codes: Lanes) -> Lanes {
        // SAFETY: as in `widen`.
        unsafe { look_up(levels, codes) }
    }

    #[inline(always)]
    fn prefetch(self, bytes: &[u8], distance: usize) {
        for line in bytes.chunks(64) {
            // SAFETY: as in `widen`.
            unsafe { mem::prefetch::<1>(line, distance) }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn widen(halves: &Halves) -> [f32; ROWS] {
    bytemuck::cast(_mm256_cvtph_ps(mem::load128(halves)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn extend(bytes: [u8; ROWS]) -> [i32; ROWS] {
    let bytes = _mm_cvtsi64_si128(i64::from_le_bytes(bytes));
    bytemuck::cast(_mm256_cvtepu8_epi32(bytes))
}

/// Two products of 127 by 127 fit a 16-bit lane of `vpmaddubsw`, which saturates.
#[inline]
#[target_feature(enable = "avx2")]
fn dot_unsigned(sums: [i32; ROWS], codes: Lanes, quants: [i8; 4]) -> [i32; ROWS] {
    let products = _mm256_maddubs_epi16(bytemuck::cast(codes), broadcast4(quants));
    add_pairs(sums, products)
}

/// The code's sign goes to the activation; two products of 128 by 127 fit.
#[inline]
#[target_feature(enable = "avx2")]
fn dot_signed(sums: [i32; ROWS], codes: Lanes, quants: [i8; 4]) -> [i32; ROWS] {
    let codes = bytemuck::cast(codes);
    let quants = _mm256_sign_epi8(broadcast4(quants), codes);
    add_pairs(sums, _mm256_maddubs_epi16(_mm256_abs_epi8(codes), quants))
}

/// Adds pairs of 16-bit sums to 32-bit ones.
#[inline]
#[target_feature(enable = "avx2")]
fn add_pairs(sums: [i32; ROWS], products: __m256i) -> [i32; ROWS] {
    let products = _mm256_madd_epi16(products, _mm256_set1_epi16(1));
    bytemuck::cast(_mm256_add_epi32(bytemuck::cast(sums), products))
}

#[inline]
#[target_feature(enable = "avx2")]
fn weigh(sums: [i32; ROWS], weights: [i32; ROWS], values: [i32; ROWS]) -> [i32; ROWS] {
    let products = _mm256_mullo_epi32(bytemuck::cast(weights), bytemuck::cast(values));
    bytemuck::cast(_mm256_add_epi32(bytemuck::cast(sums), products))
}

#[inline]
#[target_feature(enable = "avx2")]
fn add_integers(
    sums: [f32; ROWS],
    values: [i32; ROWS],
    scales: &[f32; ROWS],
    scale: f32,
) -> [f32; ROWS] {
    let scales = _mm256_mul_ps(bytemuck::cast(*scales), _mm256_set1_ps(scale));
    let products = _mm256_mul_ps(_mm256_cvtepi32_ps(bytemuck::cast(values)), scales);
    bytemuck::cast(_mm256_add_ps(bytemuck::cast(sums), products))
}

#[inline]
#[target_feature(enable = "avx2")]
fn add_product(sums: [f32; ROWS], values: &[f32; ROWS], factor: f32) -> [f32; ROWS] {
    let products = _mm256_mul_ps(bytemuck::cast(*values), _mm256_set1_ps(factor));
    bytemuck::cast(_mm256_add_ps(bytemuck::cast(sums), products))
}

#[inline]
#[target_feature(enable = "avx2")]
fn look_up(levels: &[i8; 16], codes: Lanes) -> Lanes {
    let levels = _mm256_broadcastsi128_si256(bytemuck::cast(*levels));
    bytemuck::cast(_mm256_shuffle_epi8(levels, bytemuck::cast(codes)))
}
