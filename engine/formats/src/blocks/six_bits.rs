//! The twelve bytes in which Q4_K and Q5_K keep eight scales and eight minima of 6 bits.
//!
//! ```text
//! group         0..4                      4..8
//! scale g       [g] & 63                  [g + 4] & 15 | [g - 4] >> 6 << 4
//! minimum g     [g + 4] & 63              [g + 4] >> 4 | [g]     >> 6 << 4
//! ```

/// Scale and minimum of a group, each 0..64.
pub(super) fn scale_and_minimum(bytes: &[u8; 12], group: usize) -> (u8, u8) {
    if group < 4 {
        (bytes[group] & 63, bytes[group + 4] & 63)
    } else {
        let low = bytes[group + 4];
        (
            low & 15 | bytes[group - 4] >> 6 << 4,
            low >> 4 | bytes[group] >> 6 << 4,
        )
    }
}

/// The twelve bytes of eight scales and minima below 64.
pub(super) fn pack(scales: &[u8; 8], minima: &[u8; 8]) -> [u8; 12] {
    let mut bytes = [0; 12];
    for group in 0..4 {
        bytes[group] = scales[group] | scales[group + 4] >> 4 << 6;
        bytes[group + 4] = minima[group] | minima[group + 4] >> 4 << 6;
        bytes[group + 8] = scales[group + 4] & 15 | (minima[group + 4] & 15) << 4;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_comes_back() {
        for code in 0..64u8 {
            let scales = std::array::from_fn(|group| (code + 5 * group as u8) % 64);
            let minima = std::array::from_fn(|group| (63 - code + 11 * group as u8) % 64);
            let bytes = pack(&scales, &minima);
            for group in 0..8 {
                let wanted = (scales[group], minima[group]);
                assert_eq!(scale_and_minimum(&bytes, group), wanted, "group {group}");
            }
        }
    }
}
