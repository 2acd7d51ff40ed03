//! F32, F16 and BF16: no blocks, so a block column is one column of eight rows.
//!
//! `[value; 8]`

use super::ROWS;

/// One column of eight rows: their values side by side.
pub(super) fn pack<const BYTES: usize>(rows: &[Option<&[u8]>; ROWS], out: &mut [u8]) {
    for (row, slot) in rows.iter().zip(out.chunks_exact_mut(BYTES)) {
        match row {
            Some(bytes) => slot.copy_from_slice(bytes),
            None => slot.fill(0),
        }
    }
}
