//! Q4_0 and Q4_1.
//!
//! A nibble is at most 15, so a 16-bit lane of `vpmaddubsw` is at most 2 * 15 * 127 = 3,810 in size
//! and the eight of a block add up to 30,480: one widening per block.

use std::arch::x86_64::*;

use super::super::mem::{load256, prefetch, store_f32};
use super::vectors::{broadcast_sums, broadcast4, nibbles, scales};
use crate::contract::Call;
use crate::layout::ROWS;
use crate::panel::Q8Panel;

/// The eight vectors of unsigned nibbles of a block: columns `4 j ..` for `j` in 0..8.
#[inline]
#[target_feature(enable = "avx2")]
pub(in super::super) fn unpack(quants: &[u8; 128]) -> [__m256i; 8] {
    let vectors = quants.as_chunks::<32>().0;
    let [a0, b0] = nibbles(load256(&vectors[0]));
    let [a1, b1] = nibbles(load256(&vectors[1]));
    let [a2, b2] = nibbles(load256(&vectors[2]));
    let [a3, b3] = nibbles(load256(&vectors[3]));
    [a0, a1, a2, a3, b0, b1, b2, b3]
}

/// Eight 32-bit dot products over the 32 columns of a block.
#[inline]
#[target_feature(enable = "avx2")]
fn dots(weights: &[__m256i; 8], quants: &[i8; 32]) -> __m256i {
    let pieces = quants.as_chunks::<4>().0;
    let mut even = _mm256_maddubs_epi16(weights[0], broadcast4(pieces[0]));
    let mut odd = _mm256_maddubs_epi16(weights[1], broadcast4(pieces[1]));
    for j in (2..8).step_by(2) {
        even = _mm256_add_epi16(
            even,
            _mm256_maddubs_epi16(weights[j], broadcast4(pieces[j])),
        );
        odd = _mm256_add_epi16(
            odd,
            _mm256_maddubs_epi16(weights[j + 1], broadcast4(pieces[j + 1])),
        );
    }
    _mm256_madd_epi16(_mm256_add_epi16(even, odd), _mm256_set1_epi16(1))
}

/// `w = d (q - 8)`: the 8 is taken out through the sum of the activations, in integers.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q4_0<const P: usize>(call: &Call<'_>, out: &mut [f32]) {
    let panel: &[Q8Panel<P>] = bytemuck::cast_slice(call.panel);
    let blocks = call.weights.as_chunks::<144>().0.chunks_exact(panel.len());
    let zero_point = _mm256_set1_epi16(8);
    for (group, out) in blocks.zip(out.as_chunks_mut::<ROWS>().0.chunks_exact_mut(P)) {
        let mut sums = [_mm256_setzero_ps(); P];
        for (block, acts) in group.iter().zip(panel) {
            if call.prefetch_bytes > 0 {
                prefetch::<3>(block, call.prefetch_bytes);
            }
            let (head, quants) = block.split_first_chunk().expect("144 bytes");
            let weights = unpack(quants.first_chunk().expect("128 bytes"));
            let scales = scales(head);
            for p in 0..P {
                let zero = _mm256_madd_epi16(broadcast_sums(acts.sums[p]), zero_point);
                let dots = _mm256_sub_epi32(dots(&weights, &acts.quants[p]), zero);
                let scale = _mm256_mul_ps(scales, _mm256_set1_ps(acts.scales[p]));
                sums[p] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), scale, sums[p]);
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            store_f32(out, sum);
        }
    }
}

/// `w = d q + m`: the minimum meets the sum of the activations.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q4_1<const P: usize>(call: &Call<'_>, out: &mut [f32]) {
    let panel: &[Q8Panel<P>] = bytemuck::cast_slice(call.panel);
    let blocks = call.weights.as_chunks::<160>().0.chunks_exact(panel.len());
    for (group, out) in blocks.zip(out.as_chunks_mut::<ROWS>().0.chunks_exact_mut(P)) {
        let mut sums = [_mm256_setzero_ps(); P];
        for (block, acts) in group.iter().zip(panel) {
            if call.prefetch_bytes > 0 {
                prefetch::<3>(block, call.prefetch_bytes);
            }
            let (head, rest) = block.split_first_chunk().expect("160 bytes");
            let (minima, quants) = rest.split_first_chunk().expect("144 bytes");
            let weights = unpack(quants.first_chunk().expect("128 bytes"));
            let (scales, minima) = (scales(head), self::scales(minima));
            for p in 0..P {
                let dots = dots(&weights, &acts.quants[p]);
                let scale = _mm256_mul_ps(scales, _mm256_set1_ps(acts.scales[p]));
                sums[p] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), scale, sums[p]);
                sums[p] = _mm256_fmadd_ps(minima, _mm256_set1_ps(acts.totals[p]), sums[p]);
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            store_f32(out, sum);
        }
    }
}
