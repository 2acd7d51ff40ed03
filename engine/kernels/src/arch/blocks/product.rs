//! The loops of every kernel of quantised weights: one or two panels of activations meet each part of a
//! block as it is opened; where panels are many, parts are opened into memory once for all of them.

use super::GROUPS;
use super::family::Family;
use super::opened::multiply_opened;
use super::shape::{Shape, ahead};
use super::tiles::{Rows, pairs_of, store};
use crate::arch::tile::{Proof, Proofs, Tile};
use crate::arch::vectors::Vectors;
use crate::contract::Call;
use crate::layout::ROWS;
use crate::panel::{PANEL_ROWS, Q8Panel};

/// The kernel of a family. A single row of activations meets `BESIDE` row groups side by side where codes
/// are streamed, so that enough sums are in flight.
#[inline(always)]
pub(crate) fn run<
    F: Family,
    V: Vectors,
    L: Tile<V>,
    M: Tile<V>,
    const BESIDE: usize,
    const P: usize,
>(
    proofs: Proofs<V, L, M>,
    call: &Call<'_>,
    out: &mut [f32],
) {
    let panels: &[Q8Panel<P>] = bytemuck::cast_slice(call.panels);
    let blocks: &[F::Block] = bytemuck::cast_slice(call.weights);
    let out = out.as_chunks_mut::<ROWS>().0;
    let parts = panels.len() / call.panel_count;
    let product = Product {
        shape: Shape {
            parts,
            group: parts / F::PARTS,
            results: call.panel_count * P,
        },
        panels,
        prefetch_bytes: call.prefetch_bytes,
    };
    let vectors = proofs.vectors;
    let few = Proof {
        vectors,
        tile: proofs.few,
    };
    let many = Proof {
        vectors,
        tile: proofs.many,
    };
    // A product has several panels only where each has the most rows; see `panel_rows_for`.
    if P < PANEL_ROWS || product.count() == 1 {
        assert_eq!(product.count(), 1, "panels of {P} rows");
        return if L::STREAMED {
            const { assert!(!L::STREAMED || (L::GROUPS == 1 && L::ACROSS == 1)) };
            if P == 1 {
                product.stream_all::<F, V, L, BESIDE>(few, blocks, out);
            } else {
                product.stream_all::<F, V, L, 1>(few, blocks, out);
            }
        } else if P == 1 {
            // A single row is read as fast as memory gives it, and best in one stream.
            product.multiply_all::<F, V, L, 1>(few, blocks, out);
        } else {
            product.multiply_all::<F, V, M, 1>(many, blocks, out);
        };
    }
    match product.count() {
        2 => product.multiply_all::<F, V, M, 2>(many, blocks, out),
        _ => product.open_all::<F, V, M>(many, blocks, out),
    }
}

/// Panels of activations that meet weights.
struct Product<'a, const P: usize> {
    shape: Shape,
    panels: &'a [Q8Panel<P>],
    prefetch_bytes: usize,
}

impl<const P: usize> Product<'_, P> {
    /// How many panels.
    #[inline(always)]
    fn count(&self) -> usize {
        self.shape.results / P
    }

    /// All row groups against many panels, parts being opened once for all of them.
    #[inline(always)]
    fn open_all<F: Family, V: Vectors, T: Tile<V>>(
        &self,
        proof: Proof<V, T>,
        blocks: &[F::Block],
        out: &mut [[f32; ROWS]],
    ) {
        let (panels, shape) = (self.panels, self.shape);
        for (blocks, out) in shape.groups(GROUPS, blocks, out) {
            if T::GROUPS * T::TILES == 1 {
                for (blocks, out) in shape.groups(2, blocks, out) {
                    multiply_opened::<F, V, T, P, 1, 2, 16>(proof, blocks, panels, shape, out);
                }
            } else if blocks.len() > T::GROUPS * shape.group {
                multiply_opened::<F, V, T, P, 2, 1, 8>(proof, blocks, panels, shape, out);
            } else {
                multiply_opened::<F, V, T, P, 1, 1, 8>(proof, blocks, panels, shape, out);
            }
        }
    }

    /// All row groups against the `Q` panels, the groups of a tile at a time.
    #[inline(always)]
    fn multiply_all<F: Family, V: Vectors, T: Tile<V>, const Q: usize>(
        &self,
        proof: Proof<V, T>,
        blocks: &[F::Block],
        out: &mut [[f32; ROWS]],
    ) {
        for (blocks, out) in self.shape.groups(T::GROUPS, blocks, out) {
            self.multiply::<F, V, T, Q>(proof, blocks, out);
        }
    }

    /// The row groups of a tile.
    #[inline(always)]
    fn multiply<F: Family, V: Vectors, T: Tile<V>, const Q: usize>(
        &self,
        Proof { vectors, tile }: Proof<V, T>,
        blocks: &[F::Block],
        out: &mut [[f32; ROWS]],
    ) {
        let group = self.shape.group;
        let [pair] = pairs_of::<1>(0, T::GROUPS, blocks.len() / group);
        let mut sums = [[[tile.nothing(); P]; 1]; Q];
        for index in 0..group {
            let blocks = pair.map(|of| &blocks[of * group + index]);
            let block_scales = blocks.map(|block| F::block_scales(vectors, block));
            for part in 0..F::PARTS {
                if self.prefetch_bytes > 0 {
                    let distance = self.distance::<F>(index, part, T::GROUPS);
                    for block in &blocks[..T::GROUPS] {
                        ahead(vectors, *block, part, F::PARTS, distance);
                    }
                }
                let opened = [F::open(Proof { vectors, tile }, blocks, block_scales, part)];
                let panels = self.panels.chunks_exact(self.shape.parts);
                for (panel, sums) in panels.zip(&mut sums) {
                    F::add(tile, &opened, &panel[index * F::PARTS + part], sums);
                }
            }
        }
        for (panel, [sums]) in sums.iter().enumerate() {
            let rows = Rows {
                results: self.shape.results,
                first: panel * P,
            };
            store::<V, T, P>(Proof { vectors, tile }, sums, pair, rows, out);
        }
    }

    /// All row groups against one panel, `G` of them side by side, vector by vector.
    #[inline(always)]
    fn stream_all<F: Family, V: Vectors, T: Tile<V>, const G: usize>(
        &self,
        proof: Proof<V, T>,
        blocks: &[F::Block],
        out: &mut [[f32; ROWS]],
    ) {
        for (blocks, out) in self.shape.groups(G, blocks, out) {
            if blocks.len() == G * self.shape.group {
                self.stream::<F, V, T, G>(proof, blocks, out);
                continue;
            }
            for (blocks, out) in self.shape.groups(1, blocks, out) {
                self.stream::<F, V, T, 1>(proof, blocks, out);
            }
        }
    }

    /// `G` row groups.
    #[inline(always)]
    fn stream<F: Family, V: Vectors, T: Tile<V>, const G: usize>(
        &self,
        Proof { vectors, tile }: Proof<V, T>,
        blocks: &[F::Block],
        out: &mut [[f32; ROWS]],
    ) {
        let group = self.shape.group;
        let mut sums = [[tile.nothing(); P]; G];
        let mut groups: [&[F::Block]; G] = [&[]; G];
        for g in 0..G {
            groups[g] = &blocks[g * group..][..group];
        }
        for (index, panels) in (0..group).zip(self.panels.chunks_exact(F::PARTS)) {
            let mut blocks = [&groups[0][0]; G];
            let mut block_scales = [[vectors.splat(0.0); 2]; G];
            for g in 0..G {
                blocks[g] = &groups[g][index];
                block_scales[g] = F::block_scales(vectors, blocks[g]);
            }
            for part in 0..F::PARTS {
                if self.prefetch_bytes > 0 {
                    let distance = self.distance::<F>(index, part, G);
                    for block in blocks {
                        ahead(vectors, block, part, F::PARTS, distance);
                    }
                }
                F::stream(
                    Proof { vectors, tile },
                    blocks,
                    block_scales,
                    part,
                    &panels[part],
                    &mut sums,
                );
            }
        }
        for g in 0..G {
            let rows = Rows {
                results: self.shape.results,
                first: 0,
            };
            store::<V, T, P>(Proof { vectors, tile }, &sums[g], [g; 2], rows, out);
        }
    }

    /// How far ahead weights are asked for at a part of a block: what follows the end of a row group is
    /// its neighbour's, which is in the same tile where that has `groups`.
    #[inline(always)]
    fn distance<F: Family>(&self, index: usize, part: usize, groups: usize) -> usize {
        let (block, group) = (size_of::<F::Block>(), self.shape.group);
        let at = index * block + part * (block / F::PARTS);
        let ends = at + self.prefetch_bytes >= group * block;
        self.prefetch_bytes + usize::from(ends) * (groups - 1) * group * block
    }
}
