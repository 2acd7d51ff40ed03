//! Blocks whose columns share a scale (and a minimum) by 16: Q2_K, Q3_K, Q6_K.
//!
//! `w = d s (q - ZERO) - dmin m`, s and m small integers. The two sub-scales of a part are applied to
//! integer sums, so a part is exact up to its last products.

use bytemuck::Pod;

use super::scale32::ahead;
use crate::arch::vectors::Vectors;
use crate::contract::Call;
use crate::layout::ROWS;
use crate::panel::Q8Panel;

/// Parts of a block.
const PARTS: usize = 8;

/// A packed block column of such a type.
pub(crate) trait Scale16: Pod {
    /// The largest code.
    const MOST: i32;
    /// The code that stands for zero.
    const ZERO: i16 = 0;
    /// Whether there are minima.
    const MINIMA: bool = false;

    /// The f16 fields: of the scales, and of the minima (their sign changed) if there are any.
    fn heads<V: Vectors>(&self, vectors: V) -> [V::Lanes; 2];

    /// Sub-scales of the two halves of a part.
    fn scales<V: Vectors>(&self, vectors: V, part: usize) -> [V::Ints; 2];

    /// Minima of the two halves of a part.
    #[inline(always)]
    fn minima<V: Vectors>(&self, vectors: V, _part: usize) -> [V::Ints; 2] {
        [vectors.integer(0); 2]
    }

    /// Codes of vector `j` of a part: columns `4 j ..` and `16 + 4 j ..`.
    fn codes<V: Vectors>(&self, vectors: V, part: usize, j: usize) -> [V::Words; 2];
}

/// The kernel.
#[inline(always)]
pub(crate) fn run<B: Scale16, V: Vectors, const P: usize>(
    vectors: V,
    call: &Call<'_>,
    out: &mut [f32],
) {
    let panel: &[Q8Panel<P>] = bytemuck::cast_slice(call.panel);
    let blocks: &[B] = bytemuck::cast_slice(call.weights);
    let columns = panel.len() / PARTS;
    let groups = blocks.chunks_exact(columns);
    for (blocks, out) in groups.zip(out.as_chunks_mut::<ROWS>().0.chunks_exact_mut(P)) {
        let mut sums = [vectors.splat(0.0); P];
        for (block, panel) in blocks.iter().zip(panel.as_chunks::<PARTS>().0) {
            let heads = block.heads(vectors);
            for (part, activations) in panel.iter().enumerate() {
                if call.prefetch_bytes > 0 {
                    ahead(vectors, block, part, PARTS, call.prefetch_bytes);
                }
                add_part(vectors, (block, part), heads, activations, &mut sums);
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            vectors.store(sum, out);
        }
    }
}

/// Adds the products of one part.
#[inline(always)]
fn add_part<B: Scale16, V: Vectors, const P: usize>(
    vectors: V,
    (block, part): (&B, usize),
    heads: [V::Lanes; 2],
    activations: &Q8Panel<P>,
    sums: &mut [V::Lanes; P],
) {
    let dots = dots(vectors, block, part, activations);
    let (scales, minima) = (block.scales(vectors, part), block.minima(vectors, part));
    let both = |weights: [V::Ints; 2], values: [V::Ints; 2]| {
        let first = vectors.times(weights[0], values[0]);
        vectors.real(vectors.plus(first, vectors.times(weights[1], values[1])))
    };
    for p in 0..P {
        let scale = vectors.splat(activations.scales[p]);
        let weighed = both(scales, dots[p].map(|dots| vectors.finish(dots)));
        sums[p] = vectors.multiply_add(weighed, vectors.mul(heads[0], scale), sums[p]);
        if B::MINIMA {
            let totals =
                [[1, 0], [0, 1]].map(|weights| vectors.weigh_sums(activations.sums[p], weights));
            let weighed = both(minima, totals);
            sums[p] = vectors.multiply_add(weighed, vectors.mul(heads[1], scale), sums[p]);
        }
    }
}

/// Sums of codes, less the zero point, times activations of one part, by half.
#[inline(always)]
fn dots<B: Scale16, V: Vectors, const P: usize>(
    vectors: V,
    block: &B,
    part: usize,
    activations: &Q8Panel<P>,
) -> [[V::Dots; 2]; P] {
    let zeros = [[-B::ZERO, 0], [0, -B::ZERO]];
    let mut dots = activations.sums.map(|sums| {
        zeros.map(|weights| {
            vectors.start(if B::ZERO == 0 {
                vectors.integer(0)
            } else {
                vectors.weigh_sums(sums, weights)
            })
        })
    });
    for j in 0..4 {
        let codes = block.codes(vectors, part, j);
        for p in 0..P {
            let pieces = activations.quants[p].as_chunks::<4>().0;
            for half in 0..2 {
                let (sums, piece) = (dots[p][half], pieces[4 * half + j]);
                dots[p][half] = match B::MOST {
                    63 => vectors.dot::<63>(sums, j, codes[half], piece),
                    _ => vectors.dot::<15>(sums, j, codes[half], piece),
                };
            }
        }
    }
    dots
}
