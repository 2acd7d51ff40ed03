//! Q8_0: weights made unsigned by adding 128, which the activations' sums take out again.

use std::arch::x86_64::*;

use super::super::avx2::vectors::{broadcast_sums, scales};
use super::super::mem::{load256, prefetch, store_f32};
use super::dots;
use crate::contract::Call;
use crate::layout::ROWS;
use crate::panel::Q8Panel;

/// The eight vectors of a block, each byte plus 128.
#[inline]
#[target_feature(enable = "avx2")]
fn unpack(quants: &[u8]) -> [__m256i; 8] {
    let vectors = quants.as_chunks::<32>().0;
    let offset = _mm256_set1_epi8(-128);
    let mut weights = [_mm256_setzero_si256(); 8];
    for (weights, vector) in weights.iter_mut().zip(vectors) {
        *weights = _mm256_xor_si256(load256(vector), offset);
    }
    weights
}

/// `w = d q`.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512vl,avx512vnni")]
pub(super) fn q8_0<const P: usize>(call: &Call<'_>, out: &mut [f32]) {
    let panel: &[Q8Panel<P>] = bytemuck::cast_slice(call.panel);
    let blocks = call.weights.as_chunks::<272>().0.chunks_exact(panel.len());
    let offset = _mm256_set1_epi16(-128);
    for (group, out) in blocks.zip(out.as_chunks_mut::<ROWS>().0.chunks_exact_mut(P)) {
        let mut sums = [_mm256_setzero_ps(); P];
        for (block, acts) in group.iter().zip(panel) {
            if call.prefetch_bytes > 0 {
                prefetch::<5>(block, call.prefetch_bytes);
            }
            let (head, quants) = block.split_first_chunk().expect("272 bytes");
            let (weights, scales) = (unpack(quants), scales(head));
            for p in 0..P {
                let zero = _mm256_madd_epi16(broadcast_sums(acts.sums[p]), offset);
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
