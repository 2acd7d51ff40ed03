//! How weights lie in memory while they are used: rows interleaved by eight.
//!
//! A *row group* holds [`ROWS`] consecutive rows of a matrix. Inside it, for every block of columns,
//! the scales of the eight rows stand together and are followed by the quants, in *parts* of 32
//! columns: 32 bytes hold four columns of each of the eight rows. One 256-bit load therefore feeds
//! eight dot products, and a four-byte piece of the activations, broadcast, is their common other
//! operand.
//!
//! A block column is a `repr(C)` struct of bytes, one file per family: block scales (the f16 fields of eight
//! rows side by side), sub-scales, parts. The codes of a part are cut into *planes* by bits
//! (`planes.rs`): nibbles, crumbs (2 bits) and single bits, each in the same order of columns, so that
//! a kernel puts a code together with shifts that are the same for all 32 bytes of a vector.
//!
//! A layout keeps the bytes of its block type: packing moves bits, it never rounds. Rows past the
//! matrix' end are zero bits, whose scales make them zero.

use sysinfer_formats::TensorType;

mod iq4;
mod packed;
mod plain;
mod planes;
mod q2_k;
mod q3_k;
mod q4;
mod q4_k;
mod q5;
mod q5_k;
mod q6_k;
mod q8_0;

pub(crate) use iq4::{PackedIq4Nl, PackedIq4Xs};
pub(crate) use packed::Packed;
pub use packed::ROWS;
pub(crate) use planes::{Bits, Crumbs, Halves, Nibbles};
pub(crate) use q2_k::PackedQ2K;
pub(crate) use q3_k::PackedQ3K;
pub(crate) use q4::{PackedQ4_0, PackedQ4_1};
pub(crate) use q4_k::{PackedPairs, PackedQ4K};
pub(crate) use q5::{PackedQ5_0, PackedQ5_1};
pub(crate) use q5_k::PackedQ5K;
pub(crate) use q6_k::PackedQ6K;
pub(crate) use q8_0::PackedQ8_0;

use packed::pack;

/// Packs at most eight rows of equal length into the bytes of their row group.
type PackGroup = fn(rows: &[&[u8]], out: &mut [u8]);

/// The interleaved form of one block type.
#[derive(Debug)]
pub struct Layout {
    /// Name in logs, for example `q4_0-r8`.
    pub name: &'static str,
    /// The block type it packs.
    pub block: TensorType,
    pack: PackGroup,
}

impl Layout {
    /// The layout for a block type, if kernels for it exist.
    pub fn of(block: TensorType) -> Option<&'static Layout> {
        LAYOUTS.iter().find(|layout| layout.block == block)
    }

    /// Bytes of one row group of a matrix with `columns` columns.
    ///
    /// # Panics
    /// If `columns` is not a whole number of blocks.
    pub fn group_bytes(&self, columns: usize) -> usize {
        let row = self.block.row_bytes(columns);
        row.expect("the caller checked that rows are whole blocks") * ROWS
    }

    /// Packs up to eight rows (their plain GGUF bytes) into one row group.
    ///
    /// # Panics
    /// If there are more than eight rows, or a slice has another length than its shape says.
    pub fn pack_group(&self, columns: usize, rows: &[&[u8]], out: &mut [u8]) {
        assert!(rows.len() <= ROWS && out.len() == self.group_bytes(columns));
        assert!(rows.iter().all(|row| row.len() * ROWS == out.len()));
        (self.pack)(rows, out);
    }
}

/// Every layout, one per block type that kernels read.
pub static LAYOUTS: [Layout; 15] = [
    layout("f32-r8", TensorType::F32, plain::pack::<4>),
    layout("f16-r8", TensorType::F16, plain::pack::<2>),
    layout("bf16-r8", TensorType::BF16, plain::pack::<2>),
    layout("q4_0-r8", TensorType::Q4_0, pack::<PackedQ4_0>),
    layout("q4_1-r8", TensorType::Q4_1, pack::<PackedQ4_1>),
    layout("q5_0-r8", TensorType::Q5_0, pack::<PackedQ5_0>),
    layout("q5_1-r8", TensorType::Q5_1, pack::<PackedQ5_1>),
    layout("q8_0-r8", TensorType::Q8_0, pack::<PackedQ8_0>),
    layout("q2_k-r8", TensorType::Q2K, pack::<PackedQ2K>),
    layout("q3_k-r8", TensorType::Q3K, pack::<PackedQ3K>),
    layout("q4_k-r8", TensorType::Q4K, pack::<PackedQ4K>),
    layout("q5_k-r8", TensorType::Q5K, pack::<PackedQ5K>),
    layout("q6_k-r8", TensorType::Q6K, pack::<PackedQ6K>),
    layout("iq4_nl-r8", TensorType::Iq4Nl, pack::<PackedIq4Nl>),
    layout("iq4_xs-r8", TensorType::Iq4Xs, pack::<PackedIq4Xs>),
];

const fn layout(name: &'static str, block: TensorType, pack: PackGroup) -> Layout {
    Layout { name, block, pack }
}

#[cfg(test)]
mod tests;
