//! Q8_0.
//!
//! `vpmaddubsw` wants one unsigned operand: it gets the size of the weight, and the activation gets
//! the weight's sign. Activations stay within 127, so two products are at most
//! 2 * 128 * 127 = 32,512: no saturation even for a weight of -128.

use std::arch::x86_64::*;

use super::super::mem::{load256, prefetch, store_f32};
use super::vectors::{broadcast4, scales};
use crate::contract::Call;
use crate::layout::ROWS;
use crate::panel::Q8Panel;

/// `w = d q`.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn q8_0<const P: usize>(call: &Call<'_>, out: &mut [f32]) {
    let panel: &[Q8Panel<P>] = bytemuck::cast_slice(call.panel);
    let blocks = call.weights.as_chunks::<272>().0.chunks_exact(panel.len());
    let ones = _mm256_set1_epi16(1);
    for (group, out) in blocks.zip(out.as_chunks_mut::<ROWS>().0.chunks_exact_mut(P)) {
        let mut sums = [_mm256_setzero_ps(); P];
        for (block, acts) in group.iter().zip(panel) {
            if call.prefetch_bytes > 0 {
                prefetch::<5>(block, call.prefetch_bytes);
            }
            let (head, quants) = block.split_first_chunk().expect("272 bytes");
            let mut dots = [_mm256_setzero_si256(); P];
            for (j, vector) in quants.as_chunks::<32>().0.iter().enumerate() {
                let weights = load256(vector);
                let sizes = _mm256_abs_epi8(weights);
                for p in 0..P {
                    let piece = broadcast4(acts.quants[p].as_chunks::<4>().0[j]);
                    let products = _mm256_maddubs_epi16(sizes, _mm256_sign_epi8(piece, weights));
                    dots[p] = _mm256_add_epi32(dots[p], _mm256_madd_epi16(products, ones));
                }
            }
            let scales = scales(head);
            for p in 0..P {
                let scale = _mm256_mul_ps(scales, _mm256_set1_ps(acts.scales[p]));
                sums[p] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[p]), scale, sums[p]);
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            store_f32(out, sum);
        }
    }
}
