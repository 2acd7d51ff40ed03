//! The beginnings of a part's products: sums of nothing, and codes as tiles have them.

use crate::arch::tile::Tile;
use crate::arch::vectors::Vectors;
use crate::panel::Q8Panel;

/// Sums of a part, or of half of it, before any product: `zeros` are taken out. Each is started by itself,
/// since a copy of another would take an instruction.
#[inline(always)]
pub(super) fn start<V: Vectors, T: Tile<V>, const P: usize, const N: usize>(
    tile: T,
    panel: &Q8Panel<P>,
    zeros: [i16; 2],
    signed: bool,
) -> [[T::Dots; P]; N] {
    let mut dots = [[start_row::<V, T, P>(tile, panel, 0, zeros, signed); P]; N];
    for n in 0..N {
        for tiled in 0..P / T::ACROSS {
            if (n, tiled) != (0, 0) {
                let p = tiled * T::ACROSS;
                dots[n][p] = start_row::<V, T, P>(tile, panel, p, zeros, signed);
            }
        }
    }
    dots
}

#[inline(always)]
fn start_row<V: Vectors, T: Tile<V>, const P: usize>(
    tile: T,
    panel: &Q8Panel<P>,
    row: usize,
    zeros: [i16; 2],
    signed: bool,
) -> T::Dots {
    if signed {
        tile.start_signed(&panel.sums, row)
    } else {
        tile.start(&panel.sums, row, zeros)
    }
}

/// The codes of a part, `[vector][row group]`, as a tile has them that takes out `zero`.
#[inline(always)]
pub(super) fn join_codes<V: Vectors, T: Tile<V>>(
    tile: T,
    codes: &[[V::Words; 2]; 8],
    zero: i16,
) -> [T::Codes; 8] {
    let mut joined = [tile.codes(codes[0]); 8];
    for (joined, codes) in joined.iter_mut().zip(codes) {
        *joined = tile.centred(tile.codes(*codes), zero);
    }
    for pair in joined.as_chunks_mut::<2>().0 {
        *pair = tile.paired(*pair);
    }
    joined
}
