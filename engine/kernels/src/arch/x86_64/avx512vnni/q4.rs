//! Q4_0 and Q4_1.

use std::arch::x86_64::*;

use super::super::avx2::q4::unpack;
use super::super::avx2::vectors::{broadcast_sums, scales};
use super::super::mem::{prefetch, store_f32};
use super::dots;
use crate::contract::Call;
use crate::layout::ROWS;
use crate::panel::Q8Panel;

/// `w = d (q - 8)`: the sum starts at -8 times the sum of the activations.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512vl,avx512vnni")]
pub(super) fn q4_0<const P: usize>(call: &Call<'_>, out: &mut [f32]) {
    let panel: &[Q8Panel<P>] = bytemuck::cast_slice(call.panel);
    let blocks = call.weights.as_chunks::<144>().0.chunks_exact(panel.len());
    let zero_point = _mm256_set1_epi16(-8);
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
                let dots = dots(zero, &weights, acts.quants[p].as_chunks().0);
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
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512vl,avx512vnni")]
pub(super) fn q4_1<const P: usize>(call: &Call<'_>, out: &mut [f32]) {
    let panel: &[Q8Panel<P>] = bytemuck::cast_slice(call.panel);
    let blocks = call.weights.as_chunks::<160>().0.chunks_exact(panel.len());
    let zero = _mm256_setzero_si256();
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
                let dots = dots(zero, &weights, acts.quants[p].as_chunks().0);
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
