//! Blocks whose columns share a scale (and a minimum) by 16: Q2_K, Q3_K, Q6_K.
//!
//! `w = d s (q - ZERO) - dmin m`, s and m small integers. The two sub-scales of a part are applied to
//! integer sums, so a part is exact up to its last products.

use bytemuck::Pod;

use super::lanes::{bits, crumbs, join, nibbles, nibbles_of, six_bits};
use crate::arch::vectors::{Lanes, Vectors};
use crate::contract::Call;
use crate::layout::{Halves, PackedQ2K, PackedQ3K, PackedQ6K, ROWS};
use crate::panel::Q8Panel;

/// Parts of a block.
const PARTS: usize = 8;

/// Sub-scales of a part, by half and row.
type SubScales = [[i32; ROWS]; 2];

/// A packed block column of such a type.
pub(crate) trait Scale16: Pod {
    /// The code that stands for zero.
    const ZERO: i32 = 0;

    /// The scales of the scales.
    fn d(&self) -> &Halves;

    /// The scales of the minima, if there are any.
    #[inline(always)]
    fn dmin(&self) -> Option<&Halves> {
        None
    }

    /// Sub-scales of a part, and minima if there are any.
    fn scales<V: Vectors>(&self, vectors: V, part: usize) -> (SubScales, SubScales);

    /// Codes of vector `j` of a part: columns `4 j ..` and `16 + 4 j ..`.
    fn codes(&self, part: usize, j: usize) -> [Lanes; 2];
}

impl Scale16 for PackedQ2K {
    #[inline(always)]
    fn d(&self) -> &Halves {
        &self.d
    }

    #[inline(always)]
    fn dmin(&self) -> Option<&Halves> {
        Some(&self.dmin)
    }

    #[inline(always)]
    fn scales<V: Vectors>(&self, vectors: V, part: usize) -> (SubScales, SubScales) {
        let [[s0, m0], [s1, m1]] = self.pairs[part].map(nibbles_of);
        let extend = |first, second| [vectors.extend(first), vectors.extend(second)];
        (extend(s0, s1), extend(m0, m1))
    }

    #[inline(always)]
    fn codes(&self, part: usize, j: usize) -> [Lanes; 2] {
        crumbs(&self.parts[part], j)
    }
}

impl Scale16 for PackedQ3K {
    const ZERO: i32 = 4;

    #[inline(always)]
    fn d(&self) -> &Halves {
        &self.d
    }

    #[inline(always)]
    fn scales<V: Vectors>(&self, vectors: V, part: usize) -> (SubScales, SubScales) {
        let halves: [_; 2] = six_bits(&self.scales_low, &self.scales_high, part);
        let signed = |half| vectors.extend(half).map(|code| code - 32);
        (halves.map(signed), SubScales::default())
    }

    #[inline(always)]
    fn codes(&self, part: usize, j: usize) -> [Lanes; 2] {
        let part = &self.parts[part];
        join(crumbs(&part.codes, j), bits(&part.tops, j), 2)
    }
}

impl Scale16 for PackedQ6K {
    const ZERO: i32 = 32;

    #[inline(always)]
    fn d(&self) -> &Halves {
        &self.d
    }

    #[inline(always)]
    fn scales<V: Vectors>(&self, _vectors: V, part: usize) -> (SubScales, SubScales) {
        let scales = self.parts[part].scales;
        (scales.map(|half| half.map(i32::from)), SubScales::default())
    }

    #[inline(always)]
    fn codes(&self, part: usize, j: usize) -> [Lanes; 2] {
        let part = &self.parts[part];
        join(nibbles(&part.codes, j), crumbs(&part.tops, j), 4)
    }
}

/// Sums of codes, less the zero point, times activations of one part, by half.
#[inline(always)]
fn dots<B: Scale16, V: Vectors, const P: usize>(
    vectors: V,
    block: &B,
    part: usize,
    activations: &Q8Panel<P>,
) -> [[[i32; ROWS]; 2]; P] {
    let mut dots = activations
        .sums
        .map(|halves| halves.map(|sum| [-B::ZERO * i32::from(sum); ROWS]));
    for j in 0..4 {
        let [low, high] = block.codes(part, j);
        for p in 0..P {
            let pieces = activations.quants[p].as_chunks::<4>().0;
            let [first, second] = dots[p];
            dots[p] = [
                vectors.dot_unsigned(first, low, pieces[j]),
                vectors.dot_unsigned(second, high, pieces[4 + j]),
            ];
        }
    }
    dots
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
    let groups = blocks.chunks_exact(panel.len() / PARTS);
    for (group, out) in groups.zip(out.as_chunks_mut::<ROWS>().0.chunks_exact_mut(P)) {
        let mut sums = [[0.0; ROWS]; P];
        for (block, panel) in group.iter().zip(panel.chunks_exact(PARTS)) {
            let d = vectors.widen(block.d());
            let dmin = block.dmin().map(|halves| vectors.widen(halves));
            let bytes = bytemuck::bytes_of(block).chunks(size_of::<B>() / PARTS);
            for (part, (activations, bytes)) in panel.iter().zip(bytes).enumerate() {
                if call.prefetch_bytes > 0 {
                    vectors.prefetch(bytes, call.prefetch_bytes);
                }
                let (scales, minima) = block.scales(vectors, part);
                let dots = dots(vectors, block, part, activations);
                for p in 0..P {
                    let (weighted, scale) = (both(vectors, scales, dots[p]), activations.scales[p]);
                    sums[p] = vectors.add_integers(sums[p], weighted, &d, scale);
                    if let Some(dmin) = &dmin {
                        let totals = activations.sums[p].map(|sum| [i32::from(sum); ROWS]);
                        let weighted = both(vectors, minima, totals);
                        sums[p] = vectors.add_integers(sums[p], weighted, dmin, -scale);
                    }
                }
            }
        }
        out.copy_from_slice(&sums);
    }
}

/// Sub-scales times values, added up over the two halves.
#[inline(always)]
fn both<V: Vectors>(vectors: V, scales: SubScales, values: SubScales) -> [i32; ROWS] {
    let first = vectors.weigh([0; ROWS], scales[0], values[0]);
    vectors.weigh(first, scales[1], values[1])
}
