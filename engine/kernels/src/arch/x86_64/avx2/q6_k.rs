//! Q6_K.
//!
//! A six-bit code is at most 63, so a 16-bit lane of `vpmaddubsw` is at most 16,002 in size and two
//! of them can be added before they meet the sub-scale, which widens them.

use std::arch::x86_64::*;

use super::super::mem::{load256, prefetch, store_f32};
use super::vectors::{broadcast4, scales};
use crate::contract::Call;
use crate::layout::{Q6K_PART, ROWS};
use crate::panel::Q8Panel;

/// The codes of a part: vectors 0..4 are columns 0..16, vectors 4..8 are columns 16..32.
#[inline]
#[target_feature(enable = "avx2")]
pub(in super::super) fn unpack(part: &[u8; Q6K_PART]) -> [__m256i; 8] {
    let vectors = part[16..].as_chunks::<32>().0;
    let (low, top) = (_mm256_set1_epi8(15), _mm256_set1_epi8(0x30));
    let mut codes = [_mm256_setzero_si256(); 8];
    for half in 0..2 {
        let tops = load256(&vectors[half]);
        let first = load256(&vectors[2 + 2 * half]);
        let second = load256(&vectors[3 + 2 * half]);
        let join = |nibbles, tops| {
            _mm256_or_si256(_mm256_and_si256(nibbles, low), _mm256_and_si256(tops, top))
        };
        codes[2 * half] = join(first, _mm256_slli_epi16::<4>(tops));
        codes[2 * half + 4] = join(_mm256_srli_epi16::<4>(first), _mm256_slli_epi16::<2>(tops));
        codes[2 * half + 1] = join(second, tops);
        codes[2 * half + 5] = join(_mm256_srli_epi16::<4>(second), _mm256_srli_epi16::<2>(tops));
    }
    codes
}

/// Eight signed sub-scales, each in both 16-bit halves of its lane.
#[inline]
#[target_feature(enable = "avx2")]
fn sub_scales(bytes: &[u8; ROWS]) -> __m256i {
    let wide = _mm256_cvtepi8_epi32(_mm_set1_epi64x(i64::from_le_bytes(*bytes)));
    _mm256_blend_epi16::<0xAA>(wide, _mm256_slli_epi32::<16>(wide))
}

/// Sub-scale times (dot product less zero point) of 16 columns.
#[inline]
#[target_feature(enable = "avx2")]
fn scaled_dots(codes: &[__m256i], pieces: &[[i8; 4]], sub_scales: __m256i, sum: i16) -> __m256i {
    let product = |j: usize| _mm256_maddubs_epi16(codes[j], broadcast4(pieces[j]));
    let first = _mm256_add_epi16(product(0), product(1));
    let second = _mm256_add_epi16(product(2), product(3));
    // 32 times the sum would not fit 16 bits; 16 times does, and `vpmaddwd` adds two of them.
    let zero = _mm256_madd_epi16(sub_scales, _mm256_set1_epi16(16 * sum));
    let dots = _mm256_add_epi32(
        _mm256_madd_epi16(first, sub_scales),
        _mm256_madd_epi16(second, sub_scales),
    );
    _mm256_sub_epi32(dots, zero)
}

/// `w = d s (q - 32)`, one signed sub-scale `s` per 16 columns.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q6_k<const P: usize>(call: &Call<'_>, out: &mut [f32]) {
    let panel: &[Q8Panel<P>] = bytemuck::cast_slice(call.panel);
    let blocks = call
        .weights
        .as_chunks::<1680>()
        .0
        .chunks_exact(panel.len() / 8);
    for (group, out) in blocks.zip(out.as_chunks_mut::<ROWS>().0.chunks_exact_mut(P)) {
        let mut sums = [_mm256_setzero_ps(); P];
        for (block, panel) in group.iter().zip(panel.chunks_exact(8)) {
            let (head, parts) = block.split_first_chunk().expect("1680 bytes");
            let scales = scales(head);
            for (part, acts) in parts.as_chunks::<Q6K_PART>().0.iter().zip(panel) {
                if call.prefetch_bytes > 0 {
                    prefetch::<4>(part, call.prefetch_bytes);
                }
                let codes = unpack(part);
                let (first, rest) = part.split_first_chunk().expect("208 bytes");
                let first = sub_scales(first);
                let second = sub_scales(rest.first_chunk().expect("200 bytes"));
                for p in 0..P {
                    let pieces = acts.quants[p].as_chunks::<4>().0;
                    let dots = _mm256_add_epi32(
                        scaled_dots(&codes[..4], &pieces[..4], first, acts.sums[p][0]),
                        scaled_dots(&codes[4..], &pieces[4..], second, acts.sums[p][1]),
                    );
                    let scale = _mm256_mul_ps(scales, _mm256_set1_ps(acts.scales[p]));
                    sums[p] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), scale, sums[p]);
                }
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            store_f32(out, sum);
        }
    }
}
