//! F32, F16 and BF16: no blocks, so a block column is one column of eight rows.
//!
//! `[value; 8]`

use super::ROWS;

/// Every column of at most eight rows: their values side by side, zeros for rows that are not there.
pub(super) fn pack<const BYTES: usize>(rows: &[&[u8]], out: &mut [u8]) {
    // Groups at the end of a matrix only: packing whole groups allocates nothing.
    let zeros = vec![
        0;
        if rows.len() < ROWS {
            out.len() / ROWS
        } else {
            0
        }
    ];
    let rows: [&[[u8; BYTES]]; ROWS] =
        std::array::from_fn(|row| rows.get(row).copied().unwrap_or(&zeros).as_chunks().0);
    let columns = out.as_chunks_mut::<BYTES>().0.as_chunks_mut::<ROWS>().0;
    for (column, packed) in columns.iter_mut().enumerate() {
        *packed = rows.map(|row| row[column]);
    }
}
