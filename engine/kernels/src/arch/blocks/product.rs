//! The loops of every kernel of quantised weights: one or two panels of activations meet each part of a
//! block as it is opened; where panels are many, parts are opened into memory once for all of them.

use bytemuck::Pod;

use super::GROUPS;
use crate::arch::tile::{Proofs, Tile};
use crate::arch::vectors::Vectors;
use crate::contract::Call;
use crate::layout::ROWS;
use crate::panel::{PANEL_ROWS, Q8Panel};

/// How blocks of a kind are opened and multiplied, by parts of 32 columns.
pub(crate) trait Family {
    /// A packed block column.
    type Block: Pod;
    /// Its parts.
    const PARTS: usize;
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
    let few = (proofs.vectors, proofs.few);
    let many = (proofs.vectors, proofs.many);
    // Panels are several only where all rows but the last few come by four; see `panel_rows_for`.
    if P < PANEL_ROWS || product.count() == 1 {
        assert_eq!(product.count(), 1, "panels of {P} rows");
        return if L::STREAMED {
            const { assert!(!L::STREAMED || L::GROUPS == 1) };
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
        proofs: (V, T),
        blocks: &[F::Block],
        out: &mut [[f32; ROWS]],
    ) {
        let (panels, shape) = (self.panels, self.shape);
        for (blocks, out) in shape.groups(GROUPS, blocks, out) {
            if T::GROUPS * T::TILES == 1 {
                for (blocks, out) in shape.groups(2, blocks, out) {
                    multiply_opened::<F, V, T, P, 1, 2, 16>(proofs, blocks, panels, shape, out);
                }
            } else if blocks.len() > T::GROUPS * shape.group {
                multiply_opened::<F, V, T, P, 2, 1, 8>(proofs, blocks, panels, shape, out);
            } else {
                multiply_opened::<F, V, T, P, 1, 1, 8>(proofs, blocks, panels, shape, out);
            }
        }
    }

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
        let [pair] = pairs_of::<1>(0, T::GROUPS, blocks.len() / group);
        let mut sums = [[[tile.nothing(); P]; 1]; Q];
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
        for (panel, [sums]) in sums.iter().enumerate() {
            let place = (self.shape.results, panel * P);
            store::<V, T, P>((vectors, tile), sums, pair, place, out);
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
        let mut sums = [[tile.nothing(); P]; G];
        let mut groups: [&[F::Block]; G] = [&[]; G];
        for g in 0..G {
            groups[g] = &blocks[g * group..][..group];
        }
        for (index, panels) in (0..group).zip(self.panels.chunks_exact(F::PARTS)) {
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
                let [[lanes, _], _] = tile.split(sums[g][p]);
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

/// Row groups one after another in `blocks` against several panels: `PARTS` parts of `SETS` times `N` tiles are
/// opened at a time, up to 20 KB, which stay in the first-level cache while all panels pass by; `N` tiles meet
/// activations that are in registers, `SETS` of them those that are in that cache.
#[inline(always)]
fn multiply_opened<
    F: Family,
    V: Vectors,
    T: Tile<V>,
    const P: usize,
    const N: usize,
    const SETS: usize,
    const PARTS: usize,
>(
    (vectors, tile): (V, T),
    blocks: &[F::Block],
    panels: &[Q8Panel<P>],
    shape: Shape,
    out: &mut [[f32; ROWS]],
) {
    let groups = blocks.len() / shape.group;
    let sets = groups.div_ceil(N * T::GROUPS).min(SETS);
    let nothing = F::open(
        (vectors, tile),
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
                    let heads = [F::heads(vectors, blocks[0]), F::heads(vectors, blocks[1])];
                    opened[n] = F::open((vectors, tile), blocks, heads, part);
                }
            }
        }
        for (index, panel) in panels.chunks_exact(shape.parts).enumerate() {
            let place = (shape.results, index * P);
            for (set, opened) in opened[..sets].iter().enumerate() {
                let pairs = pairs_of::<N>(set, T::GROUPS, groups);
                let mut sums = [[tile.nothing(); P]; N];
                if first > 0 {
                    for n in 0..N {
                        sums[n] = load::<V, T, P>((vectors, tile), pairs[n], place, out);
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
                    store::<V, T, P>((vectors, tile), &sums[n], pairs[n], place, out);
                }
            }
        }
    }
}

/// The sums of a tile's row groups, which lie in `out`: rows of results of a row group, and the first of
/// them for this panel.
#[inline(always)]
fn load<V: Vectors, T: Tile<V>, const P: usize>(
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
fn store<V: Vectors, T: Tile<V>, const P: usize>(
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
fn pairs_of<const N: usize>(set: usize, one: usize, groups: usize) -> [[usize; 2]; N] {
    std::array::from_fn(|n| {
        let first = (set * N + n) * one;
        [first, (first + one).min(groups) - 1]
    })
}

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

/// Asks for what lies `distance` bytes beyond one of the `parts` parts of a block.
#[inline(always)]
fn ahead<B, V: Vectors>(vectors: V, block: &B, part: usize, parts: usize, distance: usize) {
    // Parts are not whole lines: a line too many now and then costs less than one too few.
    let bytes = size_of::<B>() / parts;
    for line in 0..bytes.div_ceil(64) {
        vectors.prefetch(block, distance + part * bytes + 64 * line);
    }
}
