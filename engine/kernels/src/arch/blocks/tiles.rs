//! Tiles and the rows of results that they are of.

use crate::arch::tile::{Proof, Tile};
use crate::arch::vectors::Vectors;
use crate::layout::ROWS;

/// The rows of results of one panel.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    /// Rows that a row group has in all.
    pub(super) results: usize,
    /// The panel's first among them.
    pub(super) first: usize,
}

/// The sums of the tiles of row groups `pair` and one panel.
#[inline(always)]
pub(super) fn load<V: Vectors, T: Tile<V>, const P: usize>(
    Proof { vectors, tile }: Proof<V, T>,
    pair: [usize; 2],
    Rows { results, first }: Rows,
    out: &[[f32; ROWS]],
) -> [T::Reals; P] {
    let mut sums = [tile.nothing(); P];
    for tiled in 0..P / T::ACROSS {
        let p = tiled * T::ACROSS;
        let mut lanes = [[vectors.splat(0.0); 2]; 2];
        for across in 0..T::ACROSS {
            for half in 0..T::GROUPS {
                lanes[across][half] = vectors.load(&out[pair[half] * results + first + p + across]);
            }
        }
        sums[p] = tile.gather(lanes);
    }
    sums
}

/// Puts such sums where they belong.
#[inline(always)]
pub(super) fn store<V: Vectors, T: Tile<V>, const P: usize>(
    Proof { vectors, tile }: Proof<V, T>,
    sums: &[T::Reals; P],
    pair: [usize; 2],
    Rows { results, first }: Rows,
    out: &mut [[f32; ROWS]],
) {
    for tiled in 0..P / T::ACROSS {
        let p = tiled * T::ACROSS;
        let lanes = tile.split(sums[p]);
        for across in 0..T::ACROSS {
            for half in 0..T::GROUPS {
                let place = pair[half] * results + first + p + across;
                vectors.store(lanes[across][half], &mut out[place]);
            }
        }
    }
}

/// The row groups of the `N` tiles of a set, of `one` each, where there are `groups`. A tile that lacks its
/// second has its first twice, and computes the same twice.
#[inline(always)]
pub(super) fn pairs_of<const N: usize>(set: usize, one: usize, groups: usize) -> [[usize; 2]; N] {
    std::array::from_fn(|n| {
        let first = (set * N + n) * one;
        [first, (first + one).min(groups) - 1]
    })
}
