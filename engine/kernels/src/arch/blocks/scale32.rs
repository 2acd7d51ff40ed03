//! Blocks whose columns share a scale (and a minimum) by 32: Q4_0 to Q8_0, Q4_K, Q5_K, IQ4.
//!
//! `w = s (q - ZERO) + m`, where s and m are exact in f32: products of an f16 and 6 bits. The products
//! of codes with the activations of a part are summed in integers; ZERO is taken out of that sum, and
//! the minimum meets the sum of the activations.

use std::marker::PhantomData;

use bytemuck::Pod;

use super::product::{Family, join_codes};
use crate::arch::vectors::{Vectors, pair};
use crate::arch::wide::Wide;
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

/// The family of such types.
pub(crate) struct By32<B>(PhantomData<B>);

/// A part of the row groups of a vector.
pub(crate) struct Opened<V: Vectors, W: Wide<V>> {
    /// Vectors of columns `4 j ..`, then of `16 + 4 j ..`.
    codes: [W::Words; 8],
    /// Scales and minima.
    scales: [W::Lanes; 2],
}

impl<V: Vectors, W: Wide<V>> Clone for Opened<V, W> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: Vectors, W: Wide<V>> Copy for Opened<V, W> {}

impl<B: Scale32> Family for By32<B> {
    type Block = B;
    const PARTS: usize = B::PARTS;
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
        let [first, second] = blocks;
        let mut codes = [[vectors.words(&[0; 32]); 2]; 8];
        for j in 0..4 {
            [codes[j][0], codes[4 + j][0]] = first.codes(vectors, part, j);
            [codes[j][1], codes[4 + j][1]] = second.codes(vectors, part, j);
        }
        let first = first.scales(vectors, heads[0], part);
        let second = second.scales(vectors, heads[1], part);
        Opened {
            codes: join_codes(wide, &codes),
            scales: [
                wide.join_lanes([first[0], second[0]]),
                wide.join_lanes([first[1], second[1]]),
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
        let dots = dots::<B, V, W, P, N>(wide, opened, activations);
        for n in 0..N {
            let [scales, minima] = opened[n].scales;
            for p in 0..P {
                let scale = wide.mul(scales, wide.splat(activations.scales[p]));
                let real = wide.real(wide.finish(dots[n][p]));
                let sum = &mut sums[n][p];
                *sum = wide.multiply_add(real, scale, *sum);
                if B::MINIMA {
                    let total = wide.splat(activations.totals[p]);
                    *sum = wide.multiply_add(minima, total, *sum);
                }
            }
        }
    }
}

/// Sums of the products of codes and activations of a part, the zero point taken out.
#[inline(always)]
fn dots<B: Scale32, V: Vectors, W: Wide<V>, const P: usize, const N: usize>(
    wide: W,
    opened: &[Opened<V, W>; N],
    activations: &Q8Panel<P>,
) -> [[W::Dots; P]; N] {
    let zero = match B::MOST {
        0 => V::SIGNED_ZERO,
        _ => B::ZERO,
    };
    let mut dots = [[wide.start(wide.integer(0)); P]; N];
    if zero != 0 {
        let weights = wide.integer(pair([-zero; 2]));
        for p in 0..P {
            let first = wide.weigh_sums(activations.sums[p], weights);
            for dots in &mut dots {
                dots[p] = wide.start(first);
            }
        }
    }
    for vector in 0..8 {
        for p in 0..P {
            let piece = activations.quants[p].as_chunks::<4>().0[vector];
            for n in 0..N {
                let (dots, codes) = (&mut dots[n][p], opened[n].codes[vector]);
                *dots = match B::MOST {
                    0 => wide.dot_signed(*dots, codes, piece),
                    15 => wide.dot::<15>(*dots, vector, codes, piece),
                    _ => wide.dot::<31>(*dots, vector, codes, piece),
                };
            }
        }
    }
    dots
}
