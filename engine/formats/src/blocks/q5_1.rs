//! Q5_1: 32 numbers of 5 bits with scale and minimum, 6 bits each.
//!
//! ```text
//! byte   0..2    2..4    4..8         8                 23
//!        d f16   m f16   qh[0..4]     qs[0] ... qs[15]
//! qs[j]: low nibble = low 4 bits of element j, high nibble = of element j + 16
//! qh, as one little-endian number: bit j = bit 4 of element j, for all 32
//! value = d * q + m
//! ```

use bytemuck::{Pod, Zeroable};

use super::q5_0::{join, split};
use super::{Block, f32_to_half, half_is_finite, half_to_f32, inverse_or_zero};

/// A block of 32 elements (`block_q5_1` of ggml).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockQ5_1 {
    /// Scale, as the bits of an f16.
    pub d: u16,
    /// Minimum, as the bits of an f16.
    pub m: u16,
    /// Bit 4 of the 32 elements, in order.
    pub qh: [u8; 4],
    /// Low nibbles: element `j` low, element `j + 16` high.
    pub qs: [u8; 16],
}

const _: () = assert!(size_of::<BlockQ5_1>() == 24);

impl Block for BlockQ5_1 {
    const ELEMENTS: usize = 32;

    fn is_finite(&self) -> bool {
        half_is_finite(self.d) && half_is_finite(self.m)
    }

    fn decode(&self, out: &mut [f32]) {
        let (scale, minimum) = (half_to_f32(self.d), half_to_f32(self.m));
        for (value, q) in out.iter_mut().zip(join(self.qh, &self.qs)) {
            *value = scale * f32::from(q) + minimum;
        }
    }

    fn encode(values: &[f32]) -> Self {
        let minimum = values.iter().copied().fold(f32::INFINITY, f32::min);
        let maximum = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let scale = (maximum - minimum) / 31.0;
        let inverse = inverse_or_zero(scale);
        let codes =
            std::array::from_fn(|j| (((values[j] - minimum) * inverse + 0.5) as u8).min(31));
        let (qh, qs) = split(&codes);
        Self {
            d: f32_to_half(scale),
            m: f32_to_half(minimum),
            qh,
            qs,
        }
    }
}
