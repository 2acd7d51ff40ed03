//! Blocks whose columns share a scale (and a minimum) by 32: Q4_0 to Q8_0, Q4_K, Q5_K, IQ4.
//!
//! `w = s (q - ZERO) + m`, where s and m are exact in f32: products of an f16 and 6 bits. The products
//! of codes with the activations of a part are summed in integers; ZERO is taken out of that sum, and
//! the minimum meets the sum of the activations.

use bytemuck::Pod;

use super::{GROUPS, Shape};
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

/// The kernel: few panels meet every part of a block as it is opened, many share opened ones.
#[inline(always)]
pub(crate) fn run<B: Scale32, V: Vectors, const P: usize>(
    vectors: V,
    call: &Call<'_>,
    out: &mut [f32],
) {
    let panels: &[Q8Panel<P>] = bytemuck::cast_slice(call.panels);
    let blocks: &[B] = bytemuck::cast_slice(call.weights);
    let parts = panels.len() / call.panel_count;
    let out = out.as_chunks_mut::<ROWS>().0;
    let groups = if V::REGISTERS >= 32 { GROUPS } else { 1 };
    let shape = Shape {
        parts,
        group: parts / B::PARTS,
        results: call.panel_count * P,
    };
    if call.panel_count == 1 {
        for (blocks, out) in shape.groups(1, blocks, out) {
            multiply::<B, V, P>(vectors, blocks, panels, call.prefetch_bytes, out);
        }
        return;
    }
    for (blocks, out) in shape.groups(groups, blocks, out) {
        if blocks.len() == GROUPS * shape.group && GROUPS <= groups {
            multiply_opened::<B, V, P, GROUPS>(vectors, blocks, panels, shape, out);
        } else {
            multiply_opened::<B, V, P, 1>(vectors, blocks, panels, shape, out);
        }
    }
}

/// One row group against one panel.
#[inline(always)]
fn multiply<B: Scale32, V: Vectors, const P: usize>(
    vectors: V,
    blocks: &[B],
    panel: &[Q8Panel<P>],
    prefetch_bytes: usize,
    out: &mut [[f32; ROWS]],
) {
    let mut sums = [[vectors.splat(0.0); P]];
    for (block, panel) in blocks.iter().zip(panel.chunks_exact(B::PARTS)) {
        let heads = block.heads(vectors);
        for (part, activations) in panel.iter().enumerate() {
            if prefetch_bytes > 0 {
                ahead(vectors, block, part, B::PARTS, prefetch_bytes);
            }
            let opened = [Opened::of(vectors, block, heads, part)];
            add_part::<B, V, P, 1>(vectors, &opened, activations, &mut sums);
        }
    }
    for (out, sum) in out.iter_mut().zip(sums[0]) {
        vectors.store(sum, out);
    }
}

/// Parts that are opened at a time: with two row groups 9 KB, which stay in the first-level cache
/// while all panels pass by.
const OPENED: usize = 16;

/// `G` row groups, one after another in `blocks`, against several panels.
#[inline(always)]
fn multiply_opened<B: Scale32, V: Vectors, const P: usize, const G: usize>(
    vectors: V,
    blocks: &[B],
    panels: &[Q8Panel<P>],
    shape: Shape,
    out: &mut [[f32; ROWS]],
) {
    let nothing = Opened {
        codes: [vectors.words(&[0; 32]); 8],
        scales: [vectors.splat(0.0); 2],
    };
    let mut opened = [[nothing; G]; OPENED];
    for first in (0..shape.parts).step_by(OPENED) {
        let count = OPENED.min(shape.parts - first);
        let next = shape.next(first, OPENED, G) * (size_of::<B>() / B::PARTS);
        for g in 0..G {
            for (index, opened) in opened[..count].iter_mut().enumerate() {
                let part = first + index;
                let block = &blocks[g * shape.group + part / B::PARTS];
                ahead(vectors, block, part % B::PARTS, B::PARTS, next);
                let heads = block.heads(vectors);
                opened[g] = Opened::of(vectors, block, heads, part % B::PARTS);
            }
        }
        for (index, panel) in panels.chunks_exact(shape.parts).enumerate() {
            let place = |g: usize, p: usize| g * shape.results + index * P + p;
            let mut sums = [[vectors.splat(0.0); P]; G];
            for g in 0..G {
                for p in 0..P {
                    if first > 0 {
                        sums[g][p] = vectors.load(&out[place(g, p)]);
                    }
                }
            }
            for (opened, activations) in opened.iter().zip(&panel[first..first + count]) {
                add_part::<B, V, P, G>(vectors, opened, activations, &mut sums);
            }
            for g in 0..G {
                for p in 0..P {
                    vectors.store(sums[g][p], &mut out[place(g, p)]);
                }
            }
        }
    }
}

/// A part of a row group, ready to be multiplied.
struct Opened<V: Vectors> {
    /// Vectors of columns `4 j ..`, then of `16 + 4 j ..`.
    codes: [V::Words; 8],
    /// Scales and minima.
    scales: [V::Lanes; 2],
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
    fn of<B: Scale32>(vectors: V, block: &B, heads: [V::Lanes; 2], part: usize) -> Self {
        let mut codes = [vectors.words(&[0; 32]); 8];
        for j in 0..4 {
            [codes[j], codes[4 + j]] = block.codes(vectors, part, j);
        }
        Self {
            codes,
            scales: block.scales(vectors, heads, part),
        }
    }
}

/// Adds the products of one part of `G` row groups with `P` rows of activations.
#[inline(always)]
fn add_part<B: Scale32, V: Vectors, const P: usize, const G: usize>(
    vectors: V,
    opened: &[Opened<V>; G],
    activations: &Q8Panel<P>,
    sums: &mut [[V::Lanes; P]; G],
) {
    let zero = if B::MOST == 0 {
        V::SIGNED_ZERO
    } else {
        B::ZERO
    };
    let mut dots = [[vectors.start(vectors.integer(0)); P]; G];
    if zero != 0 {
        for p in 0..P {
            let first = vectors.weigh_sums(activations.sums[p], [-zero; 2]);
            for dots in &mut dots {
                dots[p] = vectors.start(first);
            }
        }
    }
    for vector in 0..8 {
        for p in 0..P {
            let piece = activations.quants[p].as_chunks::<4>().0[vector];
            for g in 0..G {
                let (dots, codes) = (&mut dots[g][p], opened[g].codes[vector]);
                *dots = match B::MOST {
                    0 => vectors.dot_signed(*dots, codes, piece),
                    15 => vectors.dot::<15>(*dots, vector, codes, piece),
                    _ => vectors.dot::<31>(*dots, vector, codes, piece),
                };
            }
        }
    }
    for g in 0..G {
        let [scales, minima] = opened[g].scales;
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
