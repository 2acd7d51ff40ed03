//! What the loops want of a family of block types: how a part of a block becomes products.

use bytemuck::Pod;

use crate::arch::tile::{Proof, Tile};
use crate::arch::vectors::Vectors;
use crate::panel::Q8Panel;

/// How blocks of a kind are opened and multiplied, by parts of 32 columns.
pub(crate) trait Family {
    /// A packed block column.
    type Block: Pod;
    /// Its parts.
    const PARTS: usize;
    /// A part of the row groups of a tile, ready to be multiplied.
    type Opened<V: Vectors, T: Tile<V>>: Copy;

    /// The f16 fields of a block.
    fn block_scales<V: Vectors>(vectors: V, block: &Self::Block) -> [V::Lanes; 2];

    /// Opens part `part` of the blocks of two row groups, or of the first where a tile has one.
    fn open<V: Vectors, T: Tile<V>>(
        proof: Proof<V, T>,
        blocks: [&Self::Block; 2],
        block_scales: [[V::Lanes; 2]; 2],
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
        proof: Proof<V, T>,
        blocks: [&Self::Block; G],
        block_scales: [[V::Lanes; 2]; G],
        part: usize,
        panel: &Q8Panel<P>,
        sums: &mut [[T::Reals; P]; G],
    );
}
