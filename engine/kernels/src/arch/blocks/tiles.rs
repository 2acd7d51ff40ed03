//! Tiles and the rows of results that they are of.

use crate::arch::tile::Tile;
use crate::arch::vectors::Vectors;
use crate::layout::ROWS;

/// The sums of the tiles of row groups `pair` and one panel. A row group has `results` rows in `out`; `first`
/// is the panel's first among them.
#[inline(always)]
pub(super) fn load<V: Vectors, T: Tile<V>, const P: usize>(
    (vectors, tile): (V, T),
    pair: [usize; 2],
    (results, first): (usize, usize),
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
    (vectors, tile): (V, T),
    sums: &[T::Reals; P],
    pair: [usize; 2],
    (results, first): (usize, usize),
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
