//! Reading memory and doing nothing else: the roof that every decode rate is held against.

/// Reads all of `bytes` once with the widest loads of this CPU and returns their exclusive or, so
/// that the reads cannot be left out.
pub fn read(bytes: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if crate::Isa::Avx2.detected() {
        // SAFETY: the instruction set was detected on the line above.
        return unsafe { crate::arch::x86_64::avx2::stream_read(bytes) };
    }
    fold(bytes)
}

/// The exclusive or of all bytes, in eight lanes of 64 bits.
#[inline(always)]
pub(crate) fn fold(bytes: &[u8]) -> u64 {
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

#[cfg(test)]
mod tests {
    #[test]
    fn every_byte_counts() {
        let clean = vec![0u8; 64 * 40 + 17];
        assert_eq!(super::read(&clean), 0);
        for position in [0, 63, 64, 255, 256, 64 * 40 - 1, 64 * 40, 64 * 40 + 16] {
            let mut bytes = clean.clone();
            bytes[position] = 0x5A;
            assert_ne!(super::read(&bytes), 0, "byte {position} was not read");
        }
    }
}
