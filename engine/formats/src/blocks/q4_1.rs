//! Q4_1: 32 numbers of 4 bits with scale and minimum, 5 bits each.
//!
//! ```text
//! byte   0..2    2..4    4                 19
//!        d f16   m f16   qs[0] ... qs[15]
//! qs[j]: low nibble = q of element j, high nibble = q of element j + 16
//! value = d * q + m
//! ```

use bytemuck::{Pod, Zeroable};

use super::{Block, f32_to_half, half_is_finite, half_to_f32, inverse_or_zero};

const HALF: usize = 16;

/// A block of 32 elements (`block_q4_1` of ggml).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockQ4_1 {
    /// Scale, as the bits of an f16.
    pub d: u16,
    /// Minimum, as the bits of an f16.
    pub m: u16,
    /// Nibbles: element `j` low, element `j + 16` high.
    pub qs: [u8; HALF],
}

const _: () = assert!(size_of::<BlockQ4_1>() == 20);

impl Block for BlockQ4_1 {
    const ELEMENTS: usize = 32;

    fn is_finite(&self) -> bool {
        half_is_finite(self.d) && half_is_finite(self.m)
    }

    fn decode(&self, out: &mut [f32]) {
        let (scale, minimum) = (half_to_f32(self.d), half_to_f32(self.m));
        let (low, high) = out.split_at_mut(HALF);
        for ((&pair, low), high) in self.qs.iter().zip(low).zip(high) {
            *low = scale * f32::from(pair & 15) + minimum;
            *high = scale * f32::from(pair >> 4) + minimum;
        }
    }

    fn encode(values: &[f32]) -> Self {
        let minimum = values.iter().copied().fold(f32::INFINITY, f32::min);
        let maximum = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let scale = (maximum - minimum) / 15.0;
        let inverse = inverse_or_zero(scale);
        let nibble = |value: f32| (((value - minimum) * inverse + 0.5) as u8).min(15);
        Self {
            d: f32_to_half(scale),
            m: f32_to_half(minimum),
            qs: std::array::from_fn(|j| nibble(values[j]) | nibble(values[j + HALF]) << 4),
        }
    }
}
