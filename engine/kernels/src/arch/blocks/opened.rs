//! Many panels of activations: parts of some row groups are opened into memory once for all of them.

use super::family::Family;
use super::shape::{Shape, ahead};
use super::tiles::{Rows, load, pairs_of, store};
use crate::arch::tile::{Proof, Tile};
use crate::arch::vectors::Vectors;
use crate::layout::ROWS;
use crate::panel::Q8Panel;

/// Row groups one after another in `blocks` against several panels: `PARTS` parts of `SETS` times `N` tiles are
/// opened at a time, up to 20 KB, which stay in the first-level cache while all panels pass by; `N` tiles meet
/// activations that are in registers, `SETS` of them those that are in that cache.
#[inline(always)]
pub(super) fn multiply_opened<
    F: Family,
    V: Vectors,
    T: Tile<V>,
    const P: usize,
    const N: usize,
    const SETS: usize,
    const PARTS: usize,
>(
    Proof { vectors, tile }: Proof<V, T>,
    blocks: &[F::Block],
    panels: &[Q8Panel<P>],
    shape: Shape,
    out: &mut [[f32; ROWS]],
) {
    let groups = blocks.len() / shape.group;
    let sets = groups.div_ceil(N * T::GROUPS).min(SETS);
    let nothing = F::open(
        Proof { vectors, tile },
        [&blocks[0]; 2],
        [[vectors.splat(0.0); 2]; 2],
        0,
    );
    let mut opened = [[[nothing; N]; PARTS]; SETS];
    let panel_bytes = shape.parts * size_of::<Q8Panel<P>>();
    for first in (0..shape.parts).step_by(PARTS) {
        let count = PARTS.min(shape.parts - first);
        let next = shape.next(first, PARTS, groups) * (size_of::<F::Block>() / F::PARTS);
        for (set, opened) in opened[..sets].iter_mut().enumerate() {
            let pairs = pairs_of::<N>(set, T::GROUPS, groups);
            for n in 0..N {
                for (index, opened) in opened[..count].iter_mut().enumerate() {
                    let (block, part) = ((first + index) / F::PARTS, (first + index) % F::PARTS);
                    let [first, second] = pairs[n];
                    let blocks = [
                        &blocks[first * shape.group + block],
                        &blocks[second * shape.group + block],
                    ];
                    for block in &blocks[..T::GROUPS] {
                        ahead(vectors, *block, part, F::PARTS, next);
                    }
                    let block_scales = [
                        F::block_scales(vectors, blocks[0]),
                        F::block_scales(vectors, blocks[1]),
                    ];
                    opened[n] = F::open(Proof { vectors, tile }, blocks, block_scales, part);
                }
            }
        }
        for (index, panel) in panels.chunks_exact(shape.parts).enumerate() {
            let rows = Rows {
                results: shape.results,
                first: index * P,
            };
            for (set, opened) in opened[..sets].iter().enumerate() {
                let pairs = pairs_of::<N>(set, T::GROUPS, groups);
                let mut sums = [[tile.nothing(); P]; N];
                if first > 0 {
                    for n in 0..N {
                        sums[n] = load::<V, T, P>(Proof { vectors, tile }, pairs[n], rows, out);
                    }
                }
                for (opened, activations) in opened.iter().zip(&panel[first..first + count]) {
                    if set == 0 {
                        // The next panel's part: what the second-level cache has is late otherwise.
                        ahead(vectors, activations, 0, 1, panel_bytes);
                    }
                    F::add(tile, opened, activations, &mut sums);
                }
                for n in 0..N {
                    store::<V, T, P>(Proof { vectors, tile }, &sums[n], pairs[n], rows, out);
                }
            }
        }
    }
}
