//! Blocks whose columns share a scale (and a minimum) by 32: Q4_0 to Q8_0, Q4_K, Q5_K, IQ4.
//!
//! `w = s (q - ZERO) + m`, where s and m are exact in f32: products of an f16 and 6 bits. The products
//! of codes with the activations of a part are summed in integers; ZERO is taken out of that sum, and
//! the minimum meets the sum of the activations.

use std::marker::PhantomData;

use bytemuck::Pod;

use super::family::Family;
use super::part::{join_codes, start};
use super::unrolled;
use crate::arch::tile::{Place, Proof, Tile};
use crate::arch::vectors::Vectors;
use crate::panel::Q8Panel;

/// A packed block column of such a type.
pub(crate) trait Scale32: Pod {
    /// Parts of 32 columns.
    const PARTS: usize = 1;
    /// The largest code; 0: codes are signed bytes.
    const MAX_CODE: i32;
    /// The code that stands for zero.
    const ZERO: i16 = 0;
    /// Whether there are minima.
    const MINIMA: bool = false;

    /// The f16 fields: of the scales, and of the minima if there are any.
    fn block_scales<V: Vectors>(&self, vectors: V) -> [V::Lanes; 2];

    /// Scales and minima of a part.
    #[inline(always)]
    fn scales<V: Vectors>(
        &self,
        _vectors: V,
        block_scales: [V::Lanes; 2],
        _part: usize,
    ) -> [V::Lanes; 2] {
        block_scales
    }

    /// Codes of vector `j` of a part: columns `4 j ..` and `16 + 4 j ..`.
    fn codes<V: Vectors>(&self, vectors: V, part: usize, j: usize) -> [V::Words; 2];
}

/// The family of such types.
pub(crate) struct By32<B>(PhantomData<B>);

/// A part of the row groups of a tile.
pub(crate) struct Opened<V: Vectors, T: Tile<V>> {
    /// Vectors of columns `4 j ..`, then of `16 + 4 j ..`.
    codes: [T::Codes; 8],
    /// Scales and minima.
    scales: [T::Reals; 2],
}

impl<V: Vectors, T: Tile<V>> Clone for Opened<V, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: Vectors, T: Tile<V>> Copy for Opened<V, T> {}

impl<B: Scale32> Family for By32<B> {
    type Block = B;
    const PARTS: usize = B::PARTS;
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
        let [first, second] = blocks;
        let mut codes = [[vectors.words(&[0; 32]); 2]; 8];
        for j in 0..4 {
            [codes[j][0], codes[4 + j][0]] = first.codes(vectors, part, j);
            [codes[j][1], codes[4 + j][1]] = second.codes(vectors, part, j);
        }
        let first = first.scales(vectors, block_scales[0], part);
        let second = second.scales(vectors, block_scales[1], part);
        Opened {
            codes: join_codes(tile, &codes, B::ZERO),
            scales: [
                tile.join([first[0], second[0]]),
                tile.join([first[1], second[1]]),
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
        let zeros = if T::CENTRED { [0; 2] } else { [B::ZERO; 2] };
        let mut dots = start::<V, T, P, N>(tile, panel, zeros, B::MAX_CODE == 0);
        let activations = tile.activations(panel);
        unrolled!(piece in [0 1 2 3 4 5 6 7] {
            for tiled in 0..P / T::ACROSS {
                let p = tiled * T::ACROSS;
                for n in 0..N {
                    let (dots, codes) = (&mut dots[n][p], opened[n].codes[piece]);
                    *dots = dot::<B, V, T, P>(tile, *dots, piece, codes, activations, Place { row: p, piece });
                }
            }
        });
        for n in 0..N {
            scale::<B, V, T, P>(tile, &dots[n], opened[n].scales, panel, &mut sums[n]);
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
        let mut dots = start::<V, T, P, G>(tile, panel, [B::ZERO; 2], B::MAX_CODE == 0);
        let activations = tile.activations(panel);
        unrolled!(j in [0 1 2 3] {
            for g in 0..G {
                let codes = blocks[g].codes(vectors, part, j);
                unrolled!(half in [0 1] {
                    let codes = tile.codes([codes[half]; 2]);
                    for p in 0..P {
                        let dots = &mut dots[g][p];
                        let place = Place { row: p, piece: 4 * half + j };
                        let done = 2 * j + half;
                        *dots = dot::<B, V, T, P>(tile, *dots, done, codes, activations, place);
                    }
                });
            }
        });
        for g in 0..G {
            let [scales, minima] = blocks[g].scales(vectors, block_scales[g], part);
            let scales = [tile.join([scales; 2]), tile.join([minima; 2])];
            scale::<B, V, T, P>(tile, &dots[g], scales, panel, &mut sums[g]);
        }
    }
}

/// Adds the products of one vector of codes.
#[inline(always)]
fn dot<B: Scale32, V: Vectors, T: Tile<V>, const P: usize>(
    tile: T,
    dots: T::Dots,
    done: usize,
    codes: T::Codes,
    activations: T::Activations<'_, P>,
    place: Place,
) -> T::Dots {
    match B::MAX_CODE {
        0 => tile.dot_signed(dots, done, codes, activations, place),
        15 => tile.dot::<15, P>(dots, done, codes, activations, place),
        _ => tile.dot::<31, P>(dots, done, codes, activations, place),
    }
}

/// Adds the sums of a part, scaled, and the minima.
#[inline(always)]
fn scale<B: Scale32, V: Vectors, T: Tile<V>, const P: usize>(
    tile: T,
    dots: &[T::Dots; P],
    [scales, minima]: [T::Reals; 2],
    panel: &Q8Panel<P>,
    sums: &mut [T::Reals; P],
) {
    for tiled in 0..P / T::ACROSS {
        let p = tiled * T::ACROSS;
        let scale = tile.product(scales, tile.scales(panel, p));
        let sum = &mut sums[p];
        *sum = tile.plus_product(*sum, tile.total(dots[p]), scale);
        if B::MINIMA {
            let total = tile.totals(panel, p);
            *sum = tile.plus_product(*sum, minima, total);
        }
    }
}
