//! Blocks whose columns share a scale (and a minimum) by 32: Q4_0 to Q8_0, Q4_K, Q5_K, IQ4.
//!
//! `w = s (q - ZERO) + m`, where s and m are exact in f32: products of an f16 and 6 bits. The products
//! of codes with the activations of a part are summed in integers; ZERO is taken out of that sum, and
//! the minimum meets the sum of the activations.

use bytemuck::Pod;

use crate::arch::vectors::{Lanes, Vectors};
use crate::contract::Call;
use crate::layout::ROWS;
use crate::panel::Q8Panel;

/// A packed block column of such a type.
pub(crate) trait Scale32: Pod {
    /// Parts of 32 columns.
    const PARTS: usize = 1;
    /// Whether codes are signed bytes.
    const SIGNED: bool = false;
    /// The code that stands for zero.
    const ZERO: i32 = 0;
    /// Whether there are minima.
    const MINIMA: bool = false;

    /// The f16 fields: of the scales, and of the minima if there are any.
    fn heads<V: Vectors>(&self, vectors: V) -> [[f32; ROWS]; 2];

    /// Scales and minima of a part.
    #[inline(always)]
    fn scales<V: Vectors>(
        &self,
        _vectors: V,
        heads: &[[f32; ROWS]; 2],
        _part: usize,
    ) -> [[f32; ROWS]; 2] {
        *heads
    }

    /// Codes of vector `j` of a part: columns `4 j ..` and `16 + 4 j ..`.
    fn codes<V: Vectors>(&self, vectors: V, part: usize, j: usize) -> [Lanes; 2];
}

/// Sums of codes, less the zero point, times activations of one part.
#[inline(always)]
fn dots<B: Scale32, V: Vectors, const P: usize>(
    vectors: V,
    block: &B,
    part: usize,
    activations: &Q8Panel<P>,
) -> [[i32; ROWS]; P] {
    let mut dots = activations
        .sums
        .map(|[first, second]| [-B::ZERO * (i32::from(first) + i32::from(second)); ROWS]);
    for j in 0..4 {
        let [low, high] = block.codes(vectors, part, j);
        for p in 0..P {
            let pieces = activations.quants[p].as_chunks::<4>().0;
            for (codes, piece) in [(low, pieces[j]), (high, pieces[4 + j])] {
                dots[p] = if B::SIGNED {
                    vectors.dot_signed(dots[p], codes, piece)
                } else {
                    vectors.dot_unsigned(dots[p], codes, piece)
                };
            }
        }
    }
    dots
}

/// The kernel.
#[inline(always)]
pub(crate) fn run<B: Scale32, V: Vectors, const P: usize>(
    vectors: V,
    call: &Call<'_>,
    out: &mut [f32],
) {
    let panel: &[Q8Panel<P>] = bytemuck::cast_slice(call.panel);
    let blocks: &[B] = bytemuck::cast_slice(call.weights);
    let groups = blocks.chunks_exact(panel.len() / B::PARTS);
    for (group, out) in groups.zip(out.as_chunks_mut::<ROWS>().0.chunks_exact_mut(P)) {
        let mut sums = [[0.0; ROWS]; P];
        for (block, panel) in group.iter().zip(panel.chunks_exact(B::PARTS)) {
            let heads = block.heads(vectors);
            let bytes = bytemuck::bytes_of(block).chunks(size_of::<B>() / B::PARTS);
            for (part, (activations, bytes)) in panel.iter().zip(bytes).enumerate() {
                if call.prefetch_bytes > 0 {
                    vectors.prefetch(bytes, call.prefetch_bytes);
                }
                let [scales, minima] = block.scales(vectors, &heads, part);
                let dots = dots(vectors, block, part, activations);
                for p in 0..P {
                    let scale = activations.scales[p];
                    sums[p] = vectors.add_integers(sums[p], dots[p], &scales, scale);
                    if B::MINIMA {
                        sums[p] = vectors.add_product(sums[p], &minima, activations.totals[p]);
                    }
                }
            }
        }
        out.copy_from_slice(&sums);
    }
}
