//! Q5_0: 32 numbers of 5 bits with one scale, 5.5 bits each.
//!
//! ```text
//! byte   0..2    2..6         6                 21
//!        d f16   qh[0..4]     qs[0] ... qs[15]
//! qs[j]: low nibble = low 4 bits of element j, high nibble = of element j + 16
//! qh, as one little-endian number: bit j = bit 4 of element j, for all 32
//! value = d * (q - 16)
//! ```

use bytemuck::{Pod, Zeroable};

use super::{Block, f32_to_half, half_is_finite, half_to_f32, inverse_or_zero, largest_magnitude};

const HALF: usize = 16;

/// A block of 32 elements (`block_q5_0` of ggml).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockQ5_0 {
    /// Scale, as the bits of an f16.
    pub d: u16,
    /// Bit 4 of the 32 elements, in order.
    pub qh: [u8; 4],
    /// Low nibbles: element `j` low, element `j + 16` high.
    pub qs: [u8; HALF],
}

const _: () = assert!(size_of::<BlockQ5_0>() == 22);

/// The 32 five-bit codes that lie in `qh` and `qs`.
pub(super) fn join(qh: [u8; 4], qs: &[u8; HALF]) -> [u8; 32] {
    let top = u32::from_le_bytes(qh);
    std::array::from_fn(|element| {
        let low = qs[element % HALF] >> (4 * (element / HALF)) & 15;
        low | ((top >> element & 1) as u8) << 4
    })
}

/// The `qh` and `qs` of 32 five-bit codes.
pub(super) fn split(codes: &[u8; 32]) -> ([u8; 4], [u8; HALF]) {
    let bits = codes.iter().enumerate();
    let top = bits.fold(0, |top, (element, code)| {
        top | u32::from(code >> 4) << element
    });
    let low = std::array::from_fn(|j| codes[j] & 15 | (codes[j + HALF] & 15) << 4);
    (top.to_le_bytes(), low)
}

impl Block for BlockQ5_0 {
    const ELEMENTS: usize = 32;

    fn is_finite(&self) -> bool {
        half_is_finite(self.d)
    }

    fn decode(&self, out: &mut [f32]) {
        let scale = half_to_f32(self.d);
        for (value, q) in out.iter_mut().zip(join(self.qh, &self.qs)) {
            *value = scale * f32::from(q as i8 - 16);
        }
    }

    /// As ggml does: the number of largest magnitude becomes -16, so its sign is the scale's.
    fn encode(values: &[f32]) -> Self {
        let scale = largest_magnitude(values) / -16.0;
        let inverse = inverse_or_zero(scale);
        let codes = std::array::from_fn(|j| ((values[j] * inverse + 16.5) as u8).min(31));
        let (qh, qs) = split(&codes);
        Self {
            d: f32_to_half(scale),
            qh,
            qs,
        }
    }
}
