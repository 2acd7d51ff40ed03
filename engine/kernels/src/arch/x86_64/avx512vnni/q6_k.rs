//! Q6_K: 32-bit dot products of 16 columns, then the sub-scale.

use std::arch::x86_64::*;

use super::super::avx2::q6_k::unpack;
use super::super::avx2::vectors::scales;
use super::super::mem::{prefetch, store_f32};
use super::dots;
use crate::contract::Call;
use crate::layout::{Q6K_PART, ROWS};
use crate::panel::Q8Panel;

/// Eight signed sub-scales in 32 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn sub_scales(bytes: &[u8; ROWS]) -> __m256i {
    _mm256_cvtepi8_epi32(_mm_set1_epi64x(i64::from_le_bytes(*bytes)))
}

/// `w = d s (q - 32)`: each sum starts at -32 times the sum of its 16 activations.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512vl,avx512vnni")]
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
                let [a, b, c, d, e, f, g, h] = unpack(part);
                let (low, high) = ([a, b, c, d], [e, f, g, h]);
                let (first, rest) = part.split_first_chunk().expect("208 bytes");
                let first = sub_scales(first);
                let second = sub_scales(rest.first_chunk().expect("200 bytes"));
                for p in 0..P {
                    let pieces = acts.quants[p].as_chunks().0;
                    let [s0, s1] = acts.sums[p].map(|sum| _mm256_set1_epi32(-32 * i32::from(sum)));
                    let dots = _mm256_add_epi32(
                        _mm256_mullo_epi32(dots(s0, &low, pieces), first),
                        _mm256_mullo_epi32(dots(s1, &high, &pieces[4..]), second),
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
