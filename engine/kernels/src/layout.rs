//! How weights lie in memory while they are used: rows interleaved by eight.
//!
//! A *row group* holds [`ROWS`] consecutive rows of a matrix. Inside it, for every block of columns,
//! the scales of the eight rows stand together and are followed by the quants: 32 bytes hold four
//! columns of each of the eight rows. One 256-bit load therefore feeds eight dot products, and a
//! four-byte piece of the activations, broadcast, is their common other operand.
//!
//! A layout keeps the bytes of its block type: packing moves bits, it never rounds.

use sysinfer_formats::TensorType;
use sysinfer_formats::blocks::{BlockQ4_0, BlockQ4_1, BlockQ6K, BlockQ8_0};

/// Rows of a row group.
pub const ROWS: usize = 8;

/// Packs the eight rows of one block column (`None`: a row of padding past the matrix' end) into
/// the bytes of that block column.
type PackBlock = fn(rows: &[Option<&[u8]>; ROWS], out: &mut [u8]);

/// The interleaved form of one block type.
#[derive(Debug)]
pub struct Layout {
    /// Name in logs, for example `q4_0-r8`.
    pub name: &'static str,
    /// The block type it packs.
    pub block: TensorType,
    pack_block: PackBlock,
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
        let block_bytes = self.block.block_bytes();
        for (index, packed) in out.chunks_exact_mut(block_bytes * ROWS).enumerate() {
            let mut blocks = [None; ROWS];
            for (slot, row) in blocks.iter_mut().zip(rows) {
                *slot = Some(&row[index * block_bytes..][..block_bytes]);
            }
            (self.pack_block)(&blocks, packed);
        }
    }
}

/// Every layout, one per block type that kernels read.
pub static LAYOUTS: [Layout; 7] = [
    Layout {
        name: "f32-r8",
        block: TensorType::F32,
        pack_block: pack_plain::<4>,
    },
    Layout {
        name: "f16-r8",
        block: TensorType::F16,
        pack_block: pack_plain::<2>,
    },
    Layout {
        name: "bf16-r8",
        block: TensorType::BF16,
        pack_block: pack_plain::<2>,
    },
    Layout {
        name: "q4_0-r8",
        block: TensorType::Q4_0,
        pack_block: pack_q4_0,
    },
    Layout {
        name: "q4_1-r8",
        block: TensorType::Q4_1,
        pack_block: pack_q4_1,
    },
    Layout {
        name: "q8_0-r8",
        block: TensorType::Q8_0,
        pack_block: pack_q8_0,
    },
    Layout {
        name: "q6_k-r8",
        block: TensorType::Q6K,
        pack_block: pack_q6_k,
    },
];

/// One column of eight rows: their values side by side.
fn pack_plain<const BYTES: usize>(rows: &[Option<&[u8]>; ROWS], out: &mut [u8]) {
    for (row, slot) in rows.iter().zip(out.chunks_exact_mut(BYTES)) {
        match row {
            Some(bytes) => slot.copy_from_slice(bytes),
            None => slot.fill(0),
        }
    }
}

/// Bytes of the quants of one row spread over the group: four of each row in turn.
fn interleave(row: usize, quants: &[u8], out: &mut [u8]) {
    for (piece, target) in quants.chunks_exact(4).zip(out.chunks_exact_mut(4 * ROWS)) {
        target[4 * row..4 * row + 4].copy_from_slice(piece);
    }
}

/// `[scale; 8] [4 x 32 bytes]`: byte `4 r + i` of vector `j` holds columns `4 j + i` (low nibble)
/// and `16 + 4 j + i` (high nibble) of row `r`, as GGUF's own byte does.
fn pack_q4_0(rows: &[Option<&[u8]>; ROWS], out: &mut [u8]) {
    // A nibble of 8 is zero; with a scale of zero the padding is zero twice over.
    let (scales, quants) = out.split_at_mut(2 * ROWS);
    scales.fill(0);
    quants.fill(0x88);
    for (row, bytes) in rows.iter().enumerate() {
        let Some(bytes) = bytes else { continue };
        let block: BlockQ4_0 = bytemuck::pod_read_unaligned(bytes);
        scales[2 * row..2 * row + 2].copy_from_slice(&block.d.to_le_bytes());
        interleave(row, &block.qs, quants);
    }
}

/// `[scale; 8] [minimum; 8] [4 x 32 bytes]`, quants as in `q4_0-r8`.
fn pack_q4_1(rows: &[Option<&[u8]>; ROWS], out: &mut [u8]) {
    out.fill(0);
    let (heads, quants) = out.split_at_mut(4 * ROWS);
    for (row, bytes) in rows.iter().enumerate() {
        let Some(bytes) = bytes else { continue };
        let block: BlockQ4_1 = bytemuck::pod_read_unaligned(bytes);
        heads[2 * row..2 * row + 2].copy_from_slice(&block.d.to_le_bytes());
        heads[2 * (ROWS + row)..2 * (ROWS + row) + 2].copy_from_slice(&block.m.to_le_bytes());
        interleave(row, &block.qs, quants);
    }
}

/// `[scale; 8] [8 x 32 bytes]`: byte `4 r + i` of vector `j` is column `4 j + i` of row `r`.
fn pack_q8_0(rows: &[Option<&[u8]>; ROWS], out: &mut [u8]) {
    out.fill(0);
    let (scales, quants) = out.split_at_mut(2 * ROWS);
    for (row, bytes) in rows.iter().enumerate() {
        let Some(bytes) = bytes else { continue };
        let block: BlockQ8_0 = bytemuck::pod_read_unaligned(bytes);
        scales[2 * row..2 * row + 2].copy_from_slice(&block.d.to_le_bytes());
        interleave(row, bytemuck::cast_slice(&block.qs), quants);
    }
}

/// Bytes of one 32-column part of a `q6_k-r8` block column.
pub const Q6K_PART: usize = 16 + 64 + 128;

/// `[scale; 8]`, then for each of the eight 32-column parts:
/// `[sub-scale of columns 0..16; 8] [of 16..32; 8] [2 x 32 bytes of high bits] [4 x 32 of nibbles]`.
/// Nibbles lie as in `q4_0-r8`. A byte of high-bit vector `h` holds two bits each of: the low and
/// the high nibble of vector `2 h`, then of vector `2 h + 1`, from bit 0 up.
fn pack_q6_k(rows: &[Option<&[u8]>; ROWS], out: &mut [u8]) {
    out.fill(0);
    let (scales, parts) = out.split_at_mut(2 * ROWS);
    for (row, bytes) in rows.iter().enumerate() {
        let Some(bytes) = bytes else { continue };
        let block: BlockQ6K = bytemuck::pod_read_unaligned(bytes);
        scales[2 * row..2 * row + 2].copy_from_slice(&block.d.to_le_bytes());
        let codes = q6_k_codes(&block);
        for (part, (codes, out)) in codes
            .chunks_exact(32)
            .zip(parts.chunks_exact_mut(Q6K_PART))
            .enumerate()
        {
            out[row] = block.scales[2 * part] as u8;
            out[ROWS + row] = block.scales[2 * part + 1] as u8;
            for i in 0..16 {
                let (vector, byte) = (i / 4, 4 * row + i % 4);
                let (low, high) = (codes[i], codes[16 + i]);
                let top = (low >> 4) | (high >> 4) << 2;
                out[16 + 32 * (vector / 2) + byte] |= top << (4 * (vector % 2));
                out[80 + 32 * vector + byte] = (low & 15) | (high & 15) << 4;
            }
        }
    }
}

/// The 256 six-bit codes (0..64, zero at 32) of a Q6_K block in column order (ggml's
/// `dequantize_row_q6_K`).
fn q6_k_codes(block: &BlockQ6K) -> [u8; 256] {
    let mut codes = [0; 256];
    for half in 0..2 {
        let (ql, qh) = (&block.ql[64 * half..][..64], &block.qh[32 * half..][..32]);
        let codes = &mut codes[128 * half..][..128];
        for l in 0..32 {
            codes[l] = (ql[l] & 15) | (qh[l] & 3) << 4;
            codes[l + 32] = (ql[l + 32] & 15) | (qh[l] >> 2 & 3) << 4;
            codes[l + 64] = (ql[l] >> 4) | (qh[l] >> 4 & 3) << 4;
            codes[l + 96] = (ql[l + 32] >> 4) | (qh[l] >> 6) << 4;
        }
    }
    codes
}
