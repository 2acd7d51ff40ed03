//! The loops of every kernel of quantised weights: one or two panels of activations meet each part of a
//! block as it is opened; where panels are many, parts are opened into memory once for all of them.

use bytemuck::Pod;

use crate::arch::tile::{Proofs, Tile};
use crate::arch::vectors::Vectors;
use crate::contract::Call;
use crate::layout::ROWS;
use crate::panel::Q8Panel;

/// How blocks of a kind are opened and multiplied, by parts of 32 columns.
pub(crate) trait Family {
    /// A packed block column.
    type Block: Pod;
    /// Its parts.
    const PARTS: usize;
    /// Whether the sums of a row group and what opens it take most registers.
    const HEAVY: bool;
    /// A part of the row groups of a tile, ready to be multiplied.
    type Opened<V: Vectors, T: Tile<V>>: Copy;

    /// The f16 fields of a block.
    fn heads<V: Vectors>(vectors: V, block: &Self::Block) -> [V::Lanes; 2];

    /// Opens part `part` of the blocks of two row groups, or of the first where a tile has one.
    fn open<V: Vectors, T: Tile<V>>(
        proofs: (V, T),
        blocks: [&Self::Block; 2],
        heads: [[V::Lanes; 2]; 2],
        part: usize,
    ) -> Self::Opened<V, T>;

    /// Adds the products of a part of `N` tiles with `P` rows of activations.
    fn add<V: Vectors, T: Tile<V>, const P: usize, const N: usize>(
        tile: T,
        opened: &[Self::Opened<V, T>; N],
        panel: &Q8Panel<P>,
        sums: &mut [[T::Reals; P]; N],
    );

    /// The same for a part of `G` row groups, opened vector by vector.
    fn stream<V: Vectors, T: Tile<V>, const P: usize, const G: usize>(
        proofs: (V, T),
        blocks: [&Self::Block; G],
        heads: [[V::Lanes; 2]; G],
        part: usize,
        panel: &Q8Panel<P>,
        sums: &mut [[T::Reals; P]; G],
    );
}

/// The kernel of a family.
#[inline(always)]
pub(crate) fn run<F: Family, V: Vectors, L: Tile<V>, M: Tile<V>, const P: usize>(
    proofs: Proofs<V, L, M>,
    call: &Call<'_>,
    out: &mut [f32],
) {
    let panels: &[Q8Panel<P>] = bytemuck::cast_slice(call.panels);
    let blocks: &[F::Block] = bytemuck::cast_slice(call.weights);
    let out = out.as_chunks_mut::<ROWS>().0;
    let parts = panels.len() / call.panel_count;
    let shape = Shape {
        parts,
        group: parts / F::PARTS,
        results: call.panel_count * P,
    };
    let few = Few {
        shape,
        panels,
        prefetch_bytes: call.prefetch_bytes,
    };
    let vectors = proofs.vectors;
    let many = (vectors, proofs.many);
    if call.panel_count == 1 && P <= L::STREAMED {
        const { assert!(L::STREAMED == 0 || L::GROUPS == 1) };
        let tile = (vectors, proofs.few);
        return if P == 1 && L::SIDE_BY_SIDE == 2 && !F::HEAVY {
            few.stream_all::<F, V, L, 2>(tile, blocks, out)
        } else {
            few.stream_all::<F, V, L, 1>(tile, blocks, out)
        };
    }
    // A single row is read as fast as memory gives it, and best in one stream.
    match (call.panel_count, P) {
        (1, 1) => return few.multiply_all::<F, V, _, 1>((vectors, proofs.few), blocks, out),
        (1, _) => return few.multiply_all::<F, V, _, 1>(many, blocks, out),
        (2, _) => return few.multiply_all::<F, V, _, 2>(many, blocks, out),
        _ => (),
    }
    for (blocks, out) in shape.groups(M::GROUPS * M::TILES, blocks, out) {
        if M::TILES == 2 && blocks.len() > M::GROUPS * shape.group {
            multiply_opened::<F, V, M, P, 2>(many, blocks, panels, shape, out);
        } else {
            multiply_opened::<F, V, M, P, 1>(many, blocks, panels, shape, out);
        }
    }
}

/// How weights and results of a call lie; results are `[group][panel][panel row][8]`.
#[derive(Clone, Copy)]
struct Shape {
    /// Parts of 32 columns.
    parts: usize,
    /// Blocks of a row group.
    group: usize,
    /// Rows of eight results of a row group.
    results: usize,
}

impl Shape {
    /// How many parts after the `opened` ones from part `first` on those lie that will be opened next,
    /// to be fetched meanwhile: further on in the same row groups, or in the `groups` after them.
    #[inline(always)]
    fn next(self, first: usize, opened: usize, groups: usize) -> usize {
        if first + opened < self.parts {
            opened
        } else {
            groups * self.parts - first
        }
    }

    /// Blocks and results, `groups` row groups at a time; at the end perhaps fewer.
    #[inline(always)]
    fn groups<'a, B>(
        self,
        groups: usize,
        blocks: &'a [B],
        out: &'a mut [[f32; ROWS]],
    ) -> impl Iterator<Item = (&'a [B], &'a mut [[f32; ROWS]])> {
        blocks
            .chunks(groups * self.group)
            .zip(out.chunks_mut(groups * self.results))
    }
}

/// One or two panels, which all meet a part as it is opened.
struct Few<'a, const P: usize> {
    shape: Shape,
    panels: &'a [Q8Panel<P>],
    prefetch_bytes: usize,
}

impl<const P: usize> Few<'_, P> {
    /// All row groups against the `Q` panels, the groups of a tile at a time.
    #[inline(always)]
    fn multiply_all<F: Family, V: Vectors, T: Tile<V>, const Q: usize>(
        &self,
        proofs: (V, T),
        blocks: &[F::Block],
        out: &mut [[f32; ROWS]],
    ) {
        for (blocks, out) in self.shape.groups(T::GROUPS, blocks, out) {
            self.multiply::<F, V, T, Q>(proofs, blocks, out);
        }
    }

    /// The row groups of a tile.
    #[inline(always)]
    fn multiply<F: Family, V: Vectors, T: Tile<V>, const Q: usize>(
        &self,
        (vectors, tile): (V, T),
        blocks: &[F::Block],
        out: &mut [[f32; ROWS]],
    ) {
        let group = self.shape.group;
        let [pair] = pairs_of::<1>(T::GROUPS, blocks.len() / group);
        let mut sums = [[[tile.all(0.0); P]; 1]; Q];
        for index in 0..group {
            let blocks = pair.map(|of| &blocks[of * group + index]);
            let heads = blocks.map(|block| F::heads(vectors, block));
            for part in 0..F::PARTS {
                if self.prefetch_bytes > 0 {
                    let distance = self.distance::<F>((index, part), T::GROUPS);
                    for block in &blocks[..T::GROUPS] {
                        ahead(vectors, *block, part, F::PARTS, distance);
                    }
                }
                let opened = [F::open((vectors, tile), blocks, heads, part)];
                let panels = self.panels.chunks_exact(self.shape.parts);
                for (panel, sums) in panels.zip(&mut sums) {
                    F::add(tile, &opened, &panel[index * F::PARTS + part], sums);
                }
            }
        }
        for (panel, [sums]) in sums.into_iter().enumerate() {
            for (p, lanes) in sums.into_iter().enumerate() {
                for (lanes, group) in tile.split(lanes).into_iter().zip(pair) {
                    vectors.store(lanes, &mut out[group * self.shape.results + panel * P + p]);
                }
            }
        }
    }

    /// All row groups against one panel, `G` of them side by side, vector by vector.
    #[inline(always)]
    fn stream_all<F: Family, V: Vectors, T: Tile<V>, const G: usize>(
        &self,
        proofs: (V, T),
        blocks: &[F::Block],
        out: &mut [[f32; ROWS]],
    ) {
        for (blocks, out) in self.shape.groups(G, blocks, out) {
            if blocks.len() == G * self.shape.group {
                self.stream::<F, V, T, G>(proofs, blocks, out);
                continue;
            }
            for (blocks, out) in self.shape.groups(1, blocks, out) {
                self.stream::<F, V, T, 1>(proofs, blocks, out);
            }
        }
    }

    /// `G` row groups.
    #[inline(always)]
    fn stream<F: Family, V: Vectors, T: Tile<V>, const G: usize>(
        &self,
        (vectors, tile): (V, T),
        blocks: &[F::Block],
        out: &mut [[f32; ROWS]],
    ) {
        let group = self.shape.group;
        let mut sums = [[tile.all(0.0); P]; G];
        let mut groups: [&[F::Block]; G] = [&[]; G];
        for g in 0..G {
            groups[g] = &blocks[g * group..][..group];
        }
        let panels = self.panels.chunks_exact(F::PARTS);
        for (index, panels) in panels.enumerate().take(group) {
            let mut blocks = [&groups[0][0]; G];
            let mut heads = [[vectors.splat(0.0); 2]; G];
            for g in 0..G {
                blocks[g] = &groups[g][index];
                heads[g] = F::heads(vectors, blocks[g]);
            }
            for part in 0..F::PARTS {
                if self.prefetch_bytes > 0 {
                    let distance = self.distance::<F>((index, part), G);
                    for block in blocks {
                        ahead(vectors, block, part, F::PARTS, distance);
                    }
                }
                F::stream(
                    (vectors, tile),
                    blocks,
                    heads,
                    part,
                    &panels[part],
                    &mut sums,
                );
            }
        }
        for g in 0..G {
            for p in 0..P {
                let [lanes, _] = tile.split(sums[g][p]);
                vectors.store(lanes, &mut out[g * self.shape.results + p]);
            }
        }
    }

    /// How far ahead weights are asked for at a part of a block: what follows the end of a row group is
    /// its neighbour's, which is in the same tile where that has `groups`.
    #[inline(always)]
    fn distance<F: Family>(&self, (index, part): (usize, usize), groups: usize) -> usize {
        let (block, group) = (size_of::<F::Block>(), self.shape.group);
        let at = index * block + part * (block / F::PARTS);
        let ends = at + self.prefetch_bytes >= group * block;
        self.prefetch_bytes + usize::from(ends) * (groups - 1) * group * block
    }
}

/// Parts that are opened at a time: up to 13 KB, which stay in the first-level cache while all panels
/// pass by.
const OPENED: usize = 8;

/// `N` tiles, their row groups one after another in `blocks`, against several panels.
#[inline(always)]
fn multiply_opened<F: Family, V: Vectors, T: Tile<V>, const P: usize, const N: usize>(
    (vectors, tile): (V, T),
    blocks: &[F::Block],
    panels: &[Q8Panel<P>],
    shape: Shape,
    out: &mut [[f32; ROWS]],
) {
    let groups = blocks.len() / shape.group;
    let pairs = pairs_of::<N>(T::GROUPS, groups);
    let nothing = F::open(
        (vectors, tile),
        [&blocks[0]; 2],
        [[vectors.splat(0.0); 2]; 2],
        0,
    );
    let mut opened = [[nothing; N]; OPENED];
    let panel_bytes = shape.parts * size_of::<Q8Panel<P>>();
    for first in (0..shape.parts).step_by(OPENED) {
        let count = OPENED.min(shape.parts - first);
        let next = shape.next(first, OPENED, groups) * (size_of::<F::Block>() / F::PARTS);
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
                let heads = [F::heads(vectors, blocks[0]), F::heads(vectors, blocks[1])];
                opened[n] = F::open((vectors, tile), blocks, heads, part);
            }
        }
        for (index, panel) in panels.chunks_exact(shape.parts).enumerate() {
            let place = |group: usize, p: usize| group * shape.results + index * P + p;
            let mut sums = [[tile.all(0.0); P]; N];
            if first > 0 {
                for n in 0..N {
                    for p in 0..P {
                        let [first, second] = pairs[n];
                        sums[n][p] = tile.join([
                            vectors.load(&out[place(first, p)]),
                            vectors.load(&out[place(second, p)]),
                        ]);
                    }
                }
            }
            for (opened, activations) in opened.iter().zip(&panel[first..first + count]) {
                // The next panel's part: what the second-level cache has is late otherwise.
                ahead(vectors, activations, 0, 1, panel_bytes);
                F::add(tile, opened, activations, &mut sums);
            }
            for n in 0..N {
                for p in 0..P {
                    let lanes = tile.split(sums[n][p]);
                    for (lanes, group) in lanes.into_iter().zip(pairs[n]) {
                        vectors.store(lanes, &mut out[place(group, p)]);
                    }
                }
            }
        }
    }
}

/// The row groups of `N` tiles of `one` each where there are `groups`. A tile that lacks its second
/// has its first twice, and computes the same twice.
#[inline(always)]
fn pairs_of<const N: usize>(one: usize, groups: usize) -> [[usize; 2]; N] {
    std::array::from_fn(|n| {
        let first = n * one;
        [first, (first + one).min(groups) - 1]
    })
}

/// The codes of a part, `[vector][row group]`, as a tile has them.
#[inline(always)]
pub(super) fn join_codes<V: Vectors, T: Tile<V>>(
    tile: T,
    codes: &[[V::Words; 2]; 8],
) -> [T::Codes; 8] {
    let mut joined = [tile.codes(codes[0]); 8];
    for (joined, codes) in joined.iter_mut().zip(codes) {
        *joined = tile.codes(*codes);
    }
    joined
}

/// Asks for what lies `distance` bytes beyond one of the `parts` parts of a block.
#[inline(always)]
fn ahead<B, V: Vectors>(vectors: V, block: &B, part: usize, parts: usize, distance: usize) {
    // Parts are not whole lines: a line too many now and then costs less than one too few.
    let bytes = size_of::<B>() / parts;
    for line in 0..bytes.div_ceil(64) {
        vectors.prefetch(block, distance + part * bytes + 64 * line);
    }
}
