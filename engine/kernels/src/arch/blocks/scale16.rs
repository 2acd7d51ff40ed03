//! Blocks whose columns share a scale (and a minimum) by 16: Q2_K, Q3_K, Q6_K.
//!
//! `w = d s (q - ZERO) - dmin m`, s and m small integers. The two sub-scales of a part are applied to
//! integer sums in f32, where all results are integers below 2^24 (Q6_K: 2 x 16 x 32 x 127 x 128), so a
//! part is exact up to its last products.

use std::marker::PhantomData;

use bytemuck::Pod;

use super::family::Family;
use super::part::{join_codes, start};
use super::unrolled;
use crate::arch::tile::{Place, Proof, Tile};
use crate::arch::vectors::Vectors;
use crate::panel::Q8Panel;

/// Parts of a block.
const PARTS: usize = 8;

/// A packed block column of such a type.
pub(crate) trait Scale16: Pod {
    /// The largest code.
    const MAX_CODE: i32;
    /// The code that stands for zero.
    const ZERO: i16 = 0;
    /// Whether there are minima.
    const MINIMA: bool = false;

    /// The f16 fields: of the scales, and of the minima (their sign changed) if there are any.
    fn block_scales<V: Vectors>(&self, vectors: V) -> [V::Lanes; 2];

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
    block_scales: [T::Reals; 2],
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
    fn block_scales<V: Vectors>(vectors: V, block: &B) -> [V::Lanes; 2] {
        block.block_scales(vectors)
    }

    #[inline(always)]
    fn open<V: Vectors, T: Tile<V>>(
        Proof { vectors, tile }: Proof<V, T>,
        blocks: [&B; 2],
        block_scales: [[V::Lanes; 2]; 2],
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
            codes: join_codes(tile, &codes, B::ZERO),
            scales: [tile.join(scales[0]), tile.join(scales[1])],
            minima: tile.minima(minima),
            block_scales: [
                tile.join([block_scales[0][0], block_scales[1][0]]),
                tile.join([block_scales[0][1], block_scales[1][1]]),
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
        // One half after the other, which takes fewer registers.
        let dots = self::dots::<B, V, T, P, N, 0>(tile, opened, panel);
        let mut firsts = [[tile.nothing(); P]; N];
        for n in 0..N {
            firsts[n] = first::<V, T, P>(tile, &dots[n], opened[n].scales[0]);
        }
        let dots = self::dots::<B, V, T, P, N, 1>(tile, opened, panel);
        for n in 0..N {
            let Opened {
                scales,
                minima,
                block_scales,
                ..
            } = opened[n];
            let halves = HalfSums {
                firsts: &firsts[n],
                seconds: &dots[n],
            };
            scale::<B, V, T, P>(
                tile,
                halves,
                scales[1],
                minima,
                block_scales,
                panel,
                &mut sums[n],
            );
        }
    }

    #[inline(always)]
    fn stream<V: Vectors, T: Tile<V>, const P: usize, const G: usize>(
        Proof { vectors, tile }: Proof<V, T>,
        blocks: [&B; G],
        block_scales: [[V::Lanes; 2]; G],
        part: usize,
        panel: &Q8Panel<P>,
        sums: &mut [[T::Reals; P]; G],
    ) {
        let activations = tile.activations(panel);
        let first = start::<V, T, P, G>(tile, panel, [B::ZERO, 0], false);
        let second = start::<V, T, P, G>(tile, panel, [0, B::ZERO], false);
        let mut halves = [first, second];
        unrolled!(j in [0 1 2 3] {
            for g in 0..G {
                let codes = blocks[g].codes(vectors, part, j);
                unrolled!(half in [0 1] {
                    let codes = tile.codes([codes[half]; 2]);
                    for p in 0..P {
                        let dots = &mut halves[half][g][p];
                        let place = Place { row: p, piece: 4 * half + j };
                        *dots = dot::<B, V, T, P>(tile, *dots, j, codes, activations, place);
                    }
                });
            }
        });
        for g in 0..G {
            let [first, second] = blocks[g].scales(vectors, part);
            let scales = [
                tile.join([vectors.real(first); 2]),
                tile.join([vectors.real(second); 2]),
            ];
            let minima = tile.minima([blocks[g].minima(vectors, part); 2]);
            let block_scales = [
                tile.join([block_scales[g][0]; 2]),
                tile.join([block_scales[g][1]; 2]),
            ];
            let firsts = self::first::<V, T, P>(tile, &halves[0][g], scales[0]);
            let halves = HalfSums {
                firsts: &firsts,
                seconds: &halves[1][g],
            };
            scale::<B, V, T, P>(
                tile,
                halves,
                scales[1],
                minima,
                block_scales,
                panel,
                &mut sums[g],
            );
        }
    }
}

/// Sums of the products of one half of an opened part.
#[inline(always)]
fn dots<B: Scale16, V: Vectors, T: Tile<V>, const P: usize, const N: usize, const HALF: usize>(
    tile: T,
    opened: &[Opened<V, T>; N],
    panel: &Q8Panel<P>,
) -> [[T::Dots; P]; N] {
    let activations = tile.activations(panel);
    let mut zeros = [0; 2];
    if !T::CENTRED {
        zeros[HALF] = B::ZERO;
    }
    let mut dots = start::<V, T, P, N>(tile, panel, zeros, false);
    unrolled!(j in [0 1 2 3] {
        let piece = 4 * HALF + j;
        for tiled in 0..P / T::ACROSS {
            let p = tiled * T::ACROSS;
            for n in 0..N {
                let (dots, codes) = (&mut dots[n][p], opened[n].codes[piece]);
                *dots = dot::<B, V, T, P>(tile, *dots, j, codes, activations, Place { row: p, piece });
            }
        }
    });
    dots
}

/// Adds the products of one vector of codes.
#[inline(always)]
fn dot<B: Scale16, V: Vectors, T: Tile<V>, const P: usize>(
    tile: T,
    dots: T::Dots,
    done: usize,
    codes: T::Codes,
    activations: T::Activations<'_, P>,
    place: Place,
) -> T::Dots {
    match B::MAX_CODE {
        63 => tile.dot::<63, P>(dots, done, codes, activations, place),
        _ => tile.dot::<15, P>(dots, done, codes, activations, place),
    }
}

/// The sums of the first half of a part, scaled.
#[inline(always)]
fn first<V: Vectors, T: Tile<V>, const P: usize>(
    tile: T,
    dots: &[T::Dots; P],
    scales: T::Reals,
) -> [T::Reals; P] {
    let mut firsts = [tile.nothing(); P];
    for tiled in 0..P / T::ACROSS {
        let p = tiled * T::ACROSS;
        firsts[p] = tile.product(tile.total(dots[p]), scales);
    }
    firsts
}

/// The sums of the two halves of a part.
struct HalfSums<'s, R, D, const P: usize> {
    /// Of the first, scaled.
    firsts: &'s [R; P],
    /// Of the second, not yet.
    seconds: &'s [D; P],
}

/// Adds the sums of the first half of a part and those of the second, which are scaled, and the minima.
#[inline(always)]
fn scale<B: Scale16, V: Vectors, T: Tile<V>, const P: usize>(
    tile: T,
    HalfSums { firsts, seconds }: HalfSums<'_, T::Reals, T::Dots, P>,
    scales: T::Reals,
    minima: T::Minima,
    block_scales: [T::Reals; 2],
    panel: &Q8Panel<P>,
    sums: &mut [T::Reals; P],
) {
    for tiled in 0..P / T::ACROSS {
        let p = tiled * T::ACROSS;
        let scale = tile.scales(panel, p);
        let weighed = tile.plus_product(firsts[p], tile.total(seconds[p]), scales);
        let sum = &mut sums[p];
        *sum = tile.plus_product(*sum, weighed, tile.product(block_scales[0], scale));
        if B::MINIMA {
            let minima = tile.weigh(&panel.sums, p, minima);
            *sum = tile.plus_product(*sum, minima, tile.product(block_scales[1], scale));
        }
    }
}
