//! Blocks whose columns share a scale (and a minimum) by 16: Q2_K, Q3_K, Q6_K.
//!
//! `w = d s (q - ZERO) - dmin m`, s and m small integers. The two sub-scales of a part are applied to
//! integer sums, so a part is exact up to its last products.

use bytemuck::Pod;

use super::Shape;
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

/// The kernel: few panels meet every part of a block as it is opened, many share opened ones.
#[inline(always)]
pub(crate) fn run<B: Scale16, V: Vectors, const P: usize>(
    vectors: V,
    call: &Call<'_>,
    out: &mut [f32],
) {
    let panels: &[Q8Panel<P>] = bytemuck::cast_slice(call.panels);
    let blocks: &[B] = bytemuck::cast_slice(call.weights);
    let parts = panels.len() / call.panel_count;
    let out = out.as_chunks_mut::<ROWS>().0;
    let shape = Shape {
        parts,
        group: parts / PARTS,
        results: call.panel_count * P,
    };
    for (blocks, out) in shape.groups(1, blocks, out) {
        if call.panel_count == 1 {
            multiply::<B, V, P>(vectors, blocks, panels, call.prefetch_bytes, out);
        } else {
            multiply_opened::<B, V, P>(vectors, blocks, panels, shape, out);
        }
    }
}

/// One row group against one panel.
#[inline(always)]
fn multiply<B: Scale16, V: Vectors, const P: usize>(
    vectors: V,
    blocks: &[B],
    panel: &[Q8Panel<P>],
    prefetch_bytes: usize,
    out: &mut [[f32; ROWS]],
) {
    let mut sums = [vectors.splat(0.0); P];
    for (block, panel) in blocks.iter().zip(panel.as_chunks::<PARTS>().0) {
        let heads = block.heads(vectors);
        for (part, activations) in panel.iter().enumerate() {
            if prefetch_bytes > 0 {
                ahead(vectors, block, part, PARTS, prefetch_bytes);
            }
            let opened = Opened::of(vectors, block, heads, part);
            add_part::<B, V, P>(vectors, &opened, activations, &mut sums);
        }
    }
    for (out, sum) in out.iter_mut().zip(sums) {
        vectors.store(sum, out);
    }
}

/// Blocks that are opened at a time: 7 KB, which stay in the first-level cache while all panels pass
/// by.
const OPENED: usize = 2;

/// One row group against several panels.
#[inline(always)]
fn multiply_opened<B: Scale16, V: Vectors, const P: usize>(
    vectors: V,
    blocks: &[B],
    panels: &[Q8Panel<P>],
    shape: Shape,
    out: &mut [[f32; ROWS]],
) {
    let nothing = Opened {
        codes: [vectors.words(&[0; 32]); 8],
        scales: [vectors.integer(0); 2],
        minima: [vectors.integer(0); 2],
        heads: [vectors.splat(0.0); 2],
    };
    let mut opened = [nothing; OPENED * PARTS];
    for (index, blocks) in blocks.chunks(OPENED).enumerate() {
        let first = index * OPENED * PARTS;
        let next = shape.next(first, OPENED * PARTS, 1) * (size_of::<B>() / PARTS);
        for (block, opened) in blocks.iter().zip(opened.as_chunks_mut::<PARTS>().0) {
            let heads = block.heads(vectors);
            for (part, opened) in opened.iter_mut().enumerate() {
                ahead(vectors, block, part, PARTS, next);
                *opened = Opened::of(vectors, block, heads, part);
            }
        }
        let count = blocks.len() * PARTS;
        let outs = out.as_chunks_mut::<P>().0.iter_mut();
        for (panel, out) in panels.chunks_exact(shape.parts).zip(outs) {
            let mut sums = [vectors.splat(0.0); P];
            if first > 0 {
                for p in 0..P {
                    sums[p] = vectors.load(&out[p]);
                }
            }
            for (opened, activations) in opened.iter().zip(&panel[first..first + count]) {
                add_part::<B, V, P>(vectors, opened, activations, &mut sums);
            }
            for p in 0..P {
                vectors.store(sums[p], &mut out[p]);
            }
        }
    }
}

/// A part of a row group, ready to be multiplied.
struct Opened<V: Vectors> {
    /// Vectors of columns `4 j ..`, then of `16 + 4 j ..`.
    codes: [V::Words; 8],
    /// Sub-scales of the two halves.
    scales: [V::Ints; 2],
    /// Minima of the two halves.
    minima: [V::Ints; 2],
    /// What both are multiples of.
    heads: [V::Lanes; 2],
}

impl<V: Vectors> Clone for Opened<V> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: Vectors> Copy for Opened<V> {}

impl<V: Vectors> Opened<V> {
    #[inline(always)]
    fn of<B: Scale16>(vectors: V, block: &B, heads: [V::Lanes; 2], part: usize) -> Self {
        let mut codes = [vectors.words(&[0; 32]); 8];
        for j in 0..4 {
            [codes[j], codes[4 + j]] = block.codes(vectors, part, j);
        }
        Self {
            codes,
            scales: block.scales(vectors, part),
            minima: block.minima(vectors, part),
            heads,
        }
    }
}

/// Adds the products of one part.
#[inline(always)]
fn add_part<B: Scale16, V: Vectors, const P: usize>(
    vectors: V,
    opened: &Opened<V>,
    activations: &Q8Panel<P>,
    sums: &mut [V::Lanes; P],
) {
    let mut weighed = [vectors.integer(0); P];
    for half in 0..2 {
        let codes: &[V::Words; 4] = opened.codes.as_chunks().0.get(half).expect("two halves");
        let zero = if half == 0 {
            [-B::ZERO, 0]
        } else {
            [0, -B::ZERO]
        };
        let mut dots = [vectors.start(vectors.integer(0)); P];
        if B::ZERO != 0 {
            for p in 0..P {
                dots[p] = vectors.start(vectors.weigh_sums(activations.sums[p], zero));
            }
        }
        for vector in 0..4 {
            for p in 0..P {
                let piece = activations.quants[p].as_chunks::<4>().0[4 * half + vector];
                dots[p] = match B::MOST {
                    63 => vectors.dot::<63>(dots[p], vector, codes[vector], piece),
                    _ => vectors.dot::<15>(dots[p], vector, codes[vector], piece),
                };
            }
        }
        for p in 0..P {
            let product = vectors.times(opened.scales[half], vectors.finish(dots[p]));
            weighed[p] = vectors.plus(weighed[p], product);
        }
    }
    for p in 0..P {
        let scale = vectors.splat(activations.scales[p]);
        let step = vectors.mul(opened.heads[0], scale);
        sums[p] = vectors.multiply_add(vectors.real(weighed[p]), step, sums[p]);
        if B::MINIMA {
            let total = |half, weights| {
                vectors.times(
                    opened.minima[half],
                    vectors.weigh_sums(activations.sums[p], weights),
                )
            };
            let minima = vectors.real(vectors.plus(total(0, [1, 0]), total(1, [0, 1])));
            let step = vectors.mul(opened.heads[1], scale);
            sums[p] = vectors.multiply_add(minima, step, sums[p]);
        }
    }
}
