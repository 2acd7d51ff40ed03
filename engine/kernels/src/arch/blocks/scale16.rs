//! Blocks whose columns share a scale (and a minimum) by 16: Q2_K, Q3_K, Q6_K.
//!
//! `w = d s (q - ZERO) - dmin m`, s and m small integers. The two sub-scales of a part are applied to
//! integer sums in f32, where all results are integers below 2^24 (Q6_K: 2 x 16 x 32 x 127 x 128), so a
//! part is exact up to its last products.

use std::marker::PhantomData;

use bytemuck::Pod;

use super::product::{Family, join_codes};
use crate::arch::tile::Tile;
use crate::arch::vectors::Vectors;
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

/// A part of the row groups of a tile.
pub(crate) struct Opened<V: Vectors, T: Tile<V>> {
    /// Vectors of columns `4 j ..`, then of `16 + 4 j ..`.
    codes: [T::Codes; 8],
    /// Sub-scales of the two halves.
    scales: [T::Reals; 2],
    /// Minima of the two halves.
    minima: T::Minima,
    /// What both are multiples of.
    heads: [T::Reals; 2],
}

impl<V: Vectors, T: Tile<V>> Clone for Opened<V, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: Vectors, T: Tile<V>> Copy for Opened<V, T> {}

impl<B: Scale16> Family for By16<B> {
    type Block = B;
    const PARTS: usize = PARTS;
    type Opened<V: Vectors, T: Tile<V>> = Opened<V, T>;

    #[inline(always)]
    fn heads<V: Vectors>(vectors: V, block: &B) -> [V::Lanes; 2] {
        block.heads(vectors)
    }

    #[inline(always)]
    fn open<V: Vectors, T: Tile<V>>(
        (vectors, tile): (V, T),
        blocks: [&B; 2],
        heads: [[V::Lanes; 2]; 2],
        part: usize,
    ) -> Opened<V, T> {
        let mut codes = [[vectors.words(&[0; 32]); 2]; 8];
        let mut scales = [[vectors.splat(0.0); 2]; 2];
        let mut minima = [[vectors.integer(0); 2]; 2];
        for group in 0..2 {
            for j in 0..4 {
                [codes[j][group], codes[4 + j][group]] = blocks[group].codes(vectors, part, j);
            }
            let [first, second] = blocks[group].scales(vectors, part);
            [scales[0][group], scales[1][group]] = [vectors.real(first), vectors.real(second)];
            minima[group] = blocks[group].minima(vectors, part);
        }
        Opened {
            codes: join_codes(tile, &codes),
            scales: [tile.join(scales[0]), tile.join(scales[1])],
            minima: tile.minima(minima),
            heads: [
                tile.join([heads[0][0], heads[1][0]]),
                tile.join([heads[0][1], heads[1][1]]),
            ],
        }
    }

    #[inline(always)]
    fn add<V: Vectors, T: Tile<V>, const P: usize, const N: usize>(
        tile: T,
        opened: &[Opened<V, T>; N],
        panel: &Q8Panel<P>,
        sums: &mut [[T::Reals; P]; N],
    ) {
        let first = dots::<B, V, T, P, N>(tile, opened, panel, 0);
        let second = dots::<B, V, T, P, N>(tile, opened, panel, 1);
        for n in 0..N {
            let (scales, heads) = (opened[n].scales, opened[n].heads);
            for p in 0..P {
                let scale = tile.all(panel.scales[p]);
                let first = tile.product(tile.total(first[n][p]), scales[0]);
                let weighed = tile.plus_product(first, tile.total(second[n][p]), scales[1]);
                let sum = &mut sums[n][p];
                *sum = tile.plus_product(*sum, weighed, tile.product(heads[0], scale));
                if B::MINIMA {
                    let minima = tile.weigh(panel.sums[p], opened[n].minima);
                    *sum = tile.plus_product(*sum, minima, tile.product(heads[1], scale));
                }
            }
        }
    }
}

/// Sums of the products of codes and activations of one half of a part, the zero point taken out.
#[inline(always)]
fn dots<B: Scale16, V: Vectors, T: Tile<V>, const P: usize, const N: usize>(
    tile: T,
    opened: &[Opened<V, T>; N],
    panel: &Q8Panel<P>,
    half: usize,
) -> [[T::Dots; P]; N] {
    let mut zeros = [0; 2];
    zeros[half] = B::ZERO;
    let mut dots = [[tile.start(panel.sums[0], zeros); P]; N];
    for p in 1..P {
        let first = tile.start(panel.sums[p], zeros);
        for dots in &mut dots {
            dots[p] = first;
        }
    }
    let activations = tile.activations(panel);
    for vector in 0..4 {
        let piece = 4 * half + vector;
        for p in 0..P {
            let place = (p, piece);
            for n in 0..N {
                let (dots, codes) = (&mut dots[n][p], opened[n].codes[piece]);
                *dots = match B::MOST {
                    63 => tile.dot::<63, P>(*dots, vector, codes, activations, place),
                    _ => tile.dot::<15, P>(*dots, vector, codes, activations, place),
                };
            }
        }
    }
    dots
}
