//! Reading memory in plain Rust.

/// The exclusive or of all bytes, in eight lanes of 64 bits.
#[inline(always)]
pub(crate) fn xor_of(bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks::<64>();
    let mut lanes = [0u64; 8];
    for chunk in chunks {
        for (lane, word) in lanes.iter_mut().zip(chunk.as_chunks::<8>().0) {
            *lane ^= u64::from_le_bytes(*word);
        }
    }
    let tail = rest
        .iter()
        .fold(0u64, |sum, byte| sum.rotate_left(8) ^ u64::from(*byte));
    lanes.iter().fold(tail, |sum, lane| sum ^ lane)
}
