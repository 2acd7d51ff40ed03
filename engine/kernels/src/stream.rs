//! Reading memory and doing nothing else: the roof that every decode rate is held against.

/// Reads all of `bytes` once with the widest loads of this CPU and returns their exclusive or, so
/// that the reads cannot be left out.
pub fn read(bytes: &[u8]) -> u64 {
    crate::arch::xor_of(bytes)
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
