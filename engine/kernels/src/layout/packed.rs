//! Eight rows of one block type, block column by block column.

use bytemuck::Pod;

/// Rows of a row group.
pub const ROWS: usize = 8;

/// One block column of eight rows as it is packed: bytes only, so it may lie at any address.
pub(crate) trait Packed: Pod {
    /// Puts the block of one row (its plain GGUF bytes), all of whose bits are still zero.
    fn put(&mut self, row: usize, block: &[u8]);
}

/// Block column after block column, so that both ends of every move are in the nearest cache.
pub(super) fn pack<P: Packed>(rows: &[&[u8]], out: &mut [u8]) {
    const { assert!(align_of::<P>() == 1) };
    let block_bytes = size_of::<P>() / ROWS;
    let columns: &mut [P] = bytemuck::cast_slice_mut(out);
    for (index, packed) in columns.iter_mut().enumerate() {
        *packed = P::zeroed();
        for (row, plain) in rows.iter().enumerate() {
            packed.put(row, &plain[index * block_bytes..][..block_bytes]);
        }
    }
}
