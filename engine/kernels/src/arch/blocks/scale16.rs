//! Blocks whose columns share a scale (and a minimum) by 16: Q2_K, Q3_K, Q6_K.
//!
//! `w = d s (q - ZERO) - dmin m`, s and m small integers. The two sub-scales of a part are applied to
//! integer sums in f32, where all results are integers below 2^24 (Q6_K: 2 x 16 x 32 x 127 x 128), so a
//! part is exact up to its last products.

use std::marker::PhantomData;

use bytemuck::Pod;

use super::product::{Family, join_codes};
use crate::arch::vectors::{Vectors, pair};
use crate::arch::wide::Wide;
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

/// The family of such types.
pub(crate) struct By16<B>(PhantomData<B>);

/// A part of the row groups of a vector.
pub(crate) struct Opened<V: Vectors, W: Wide<V>> {
    /// Vectors of columns `4 j ..`, then of `16 + 4 j ..`.
    codes: [W::Words; 8],
    /// Sub-scales of the two halves.
    scales: [W::Lanes; 2],
    /// Minima of the two halves, as weights of their sums.
    minima: W::Ints,
    /// What both are multiples of.
    heads: [W::Lanes; 2],
}

impl<V: Vectors, W: Wide<V>> Clone for Opened<V, W> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: Vectors, W: Wide<V>> Copy for Opened<V, W> {}

impl<B: Scale16> Family for By16<B> {
    type Block = B;
    const PARTS: usize = PARTS;
    type Opened<V: Vectors, W: Wide<V>> = Opened<V, W>;

    #[inline(always)]
    fn heads<V: Vectors>(vectors: V, block: &B) -> [V::Lanes; 2] {
        block.heads(vectors)
    }

    #[inline(always)]
    fn open<V: Vectors, W: Wide<V>>(
        (vectors, wide): (V, W),
        blocks: [&B; 2],
        heads: [[V::Lanes; 2]; 2],
        part: usize,
    ) -> Opened<V, W> {
        let mut codes = [[vectors.words(&[0; 32]); 2]; 8];
        let mut scales = [[vectors.splat(0.0); 2]; 2];
        let mut minima = [vectors.integer(0); 2];
        for group in 0..2 {
            for j in 0..4 {
                [codes[j][group], codes[4 + j][group]] = blocks[group].codes(vectors, part, j);
            }
            let [first, second] = blocks[group].scales(vectors, part);
            [scales[0][group], scales[1][group]] = [vectors.real(first), vectors.real(second)];
            let [first, second] = blocks[group].minima(vectors, part);
            let second = vectors.times(second, vectors.integer(pair([0, 1])));
            minima[group] = vectors.plus(first, second);
        }
        Opened {
            codes: join_codes(wide, &codes),
            scales: [wide.join_lanes(scales[0]), wide.join_lanes(scales[1])],
            minima: wide.join_ints(minima),
            heads: [
                wide.join_lanes([heads[0][0], heads[1][0]]),
                wide.join_lanes([heads[0][1], heads[1][1]]),
            ],
        }
    }

    #[inline(always)]
    fn add<V: Vectors, W: Wide<V>, const P: usize, const N: usize>(
        wide: W,
        opened: &[Opened<V, W>; N],
        activations: &Q8Panel<P>,
        sums: &mut [[W::Lanes; P]; N],
    ) {
        let first = dots::<B, V, W, P, N>(wide, opened, activations, 0);
        let second = dots::<B, V, W, P, N>(wide, opened, activations, 1);
        for n in 0..N {
            let (scales, heads) = (opened[n].scales, opened[n].heads);
            for p in 0..P {
                let scale = wide.splat(activations.scales[p]);
                let first = wide.mul(wide.real(wide.finish(first[n][p])), scales[0]);
                let second = wide.real(wide.finish(second[n][p]));
                let weighed = wide.multiply_add(second, scales[1], first);
                let sum = &mut sums[n][p];
                *sum = wide.multiply_add(weighed, wide.mul(heads[0], scale), *sum);
                if B::MINIMA {
                    let minima = wide.weigh_sums(activations.sums[p], opened[n].minima);
                    let minima = wide.real(minima);
                    *sum = wide.multiply_add(minima, wide.mul(heads[1], scale), *sum);
                }
            }
        }
    }
}

/// Sums of the products of codes and activations of one half of a part, the zero point taken out.
#[inline(always)]
fn dots<B: Scale16, V: Vectors, W: Wide<V>, const P: usize, const N: usize>(
    wide: W,
    opened: &[Opened<V, W>; N],
    activations: &Q8Panel<P>,
    half: usize,
) -> [[W::Dots; P]; N] {
    let mut dots = [[wide.start(wide.integer(0)); P]; N];
    if B::ZERO != 0 {
        let mut weights = [0; 2];
        weights[half] = -B::ZERO;
        let weights = wide.integer(pair(weights));
        for p in 0..P {
            let first = wide.weigh_sums(activations.sums[p], weights);
            for dots in &mut dots {
                dots[p] = wide.start(first);
            }
        }
    }
    for vector in 0..4 {
        for p in 0..P {
            let piece = activations.quants[p].as_chunks::<4>().0[4 * half + vector];
            for n in 0..N {
                let (dots, codes) = (&mut dots[n][p], opened[n].codes[4 * half + vector]);
                *dots = match B::MOST {
                    63 => wide.dot::<63>(*dots, vector, codes, piece),
                    _ => wide.dot::<15>(*dots, vector, codes, piece),
                };
            }
        }
    }
    dots
}
