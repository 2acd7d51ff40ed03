//! Blocks whose columns share a scale (and a minimum) by 32: Q4_0 to Q8_0, Q4_K, Q5_K, IQ4.
//!
//! `w = s (q - ZERO) + m`, where s and m are exact in f32: products of an f16 and 6 bits. The products
//! of codes with the activations of a part are summed in integers; ZERO is taken out of that sum, and
//! the minimum meets the sum of the activations.

use bytemuck::Pod;

use super::{GROUPS, MANY};
use crate::arch::vectors::Vectors;
use crate::contract::Call;
use crate::layout::ROWS;
use crate::panel::Q8Panel;

/// A packed block column of such a type.
pub(crate) trait Scale32: Pod {
    /// Parts of 32 columns.
    const PARTS: usize = 1;
    /// The largest code; 0: codes are signed bytes.
    const MOST: i32;
    /// The code that stands for zero.
    const ZERO: i16 = 0;
    /// Whether there are minima.
    const MINIMA: bool = false;

    /// The f16 fields: of the scales, and of the minima if there are any.
    fn heads<V: Vectors>(&self, vectors: V) -> [V::Lanes; 2];

    /// Scales and minima of a part.
    #[inline(always)]
    fn scales<V: Vectors>(&self, _vectors: V, heads: [V::Lanes; 2], _part: usize) -> [V::Lanes; 2] {
        heads
    }

    /// Codes of vector `j` of a part: columns `4 j ..` and `16 + 4 j ..`.
    fn codes<V: Vectors>(&self, vectors: V, part: usize, j: usize) -> [V::Words; 2];
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
    let columns = panel.len() / B::PARTS;
    let groups = if P >= MANY && V::REGISTERS >= 32 {
        GROUPS
    } else {
        1
    };
    let (blocks, rest) = blocks.split_at(blocks.len() / (groups * columns) * groups * columns);
    let (out, out_rest) = out
        .as_chunks_mut::<ROWS>()
        .0
        .split_at_mut(blocks.len() / columns * P);
    for (blocks, out) in blocks
        .chunks_exact(groups * columns)
        .zip(out.chunks_exact_mut(groups * P))
    {
        if groups == GROUPS {
            tile::<B, V, P, GROUPS>(vectors, blocks, panel, call.prefetch_bytes, out);
        } else {
            tile::<B, V, P, 1>(vectors, blocks, panel, call.prefetch_bytes, out);
        }
    }
    for (blocks, out) in rest.chunks_exact(columns).zip(out_rest.chunks_exact_mut(P)) {
        tile::<B, V, P, 1>(vectors, blocks, panel, call.prefetch_bytes, out);
    }
}

/// `G` row groups, one after another in `blocks`, against a panel.
#[inline(always)]
fn tile<B: Scale32, V: Vectors, const P: usize, const G: usize>(
    vectors: V,
    blocks: &[B],
    panel: &[Q8Panel<P>],
    prefetch_bytes: usize,
    out: &mut [[f32; ROWS]],
) {
    let columns = panel.len() / B::PARTS;
    let groups: [&[B]; G] = std::array::from_fn(|g| &blocks[g * columns..][..columns]);
    let mut sums = [[vectors.splat(0.0); P]; G];
    for (column, panel) in panel.chunks_exact(B::PARTS).enumerate() {
        let blocks: [&B; G] = std::array::from_fn(|g| &groups[g][column]);
        let heads = blocks.map(|block| block.heads(vectors));
        for (part, activations) in panel.iter().enumerate() {
            if prefetch_bytes > 0 {
                for block in blocks {
                    ahead(vectors, block, part, B::PARTS, prefetch_bytes);
                }
            }
            let dots = dots::<B, V, P, G>(vectors, blocks, part, activations);
            for g in 0..G {
                let [scales, minima] = blocks[g].scales(vectors, heads[g], part);
                for p in 0..P {
                    let scale = vectors.mul(scales, vectors.splat(activations.scales[p]));
                    let real = vectors.real(vectors.finish(dots[g][p]));
                    let sum = &mut sums[g][p];
                    *sum = vectors.multiply_add(real, scale, *sum);
                    if B::MINIMA {
                        let total = vectors.splat(activations.totals[p]);
                        *sum = vectors.multiply_add(minima, total, *sum);
                    }
                }
            }
        }
    }
    for (out, sum) in out.iter_mut().zip(sums.as_flattened()) {
        vectors.store(*sum, out);
    }
}

/// Asks for what lies `distance` bytes beyond one of the `parts` parts of a block.
#[inline(always)]
pub(super) fn ahead<B, V: Vectors>(
    vectors: V,
    block: &B,
    part: usize,
    parts: usize,
    distance: usize,
) {
    // Parts are not whole lines: a line too many now and then costs less than one too few.
    let bytes = size_of::<B>() / parts;
    for line in 0..bytes.div_ceil(64) {
        vectors.prefetch(block, distance + part * bytes + 64 * line);
    }
}

/// Sums of codes, less the zero point, times activations of one part.
#[inline(always)]
fn dots<B: Scale32, V: Vectors, const P: usize, const G: usize>(
    vectors: V,
    blocks: [&B; G],
    part: usize,
    activations: &Q8Panel<P>,
) -> [[V::Dots; P]; G] {
    let zero = if B::MOST == 0 {
        V::SIGNED_ZERO
    } else {
        B::ZERO
    };
    let first = activations.sums.map(|sums| {
        vectors.start(if zero == 0 {
            vectors.integer(0)
        } else {
            vectors.weigh_sums(sums, [-zero; 2])
        })
    });
    let mut dots = [first; G];
    for j in 0..4 {
        let codes = blocks.map(|block| block.codes(vectors, part, j));
        for half in 0..2 {
            for p in 0..P {
                let piece = activations.quants[p].as_chunks::<4>().0[4 * half + j];
                for g in 0..G {
                    let (sums, codes) = (dots[g][p], codes[g][half]);
                    dots[g][p] = match B::MOST {
                        0 => vectors.dot_signed(sums, codes, piece),
                        15 => vectors.dot::<15>(sums, 2 * j + half, codes, piece),
                        _ => vectors.dot::<31>(sums, 2 * j + half, codes, piece),
                    };
                }
            }
        }
    }
    dots
}
