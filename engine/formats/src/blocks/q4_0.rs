//! Q4_0: 32 numbers of 4 bits with one scale, 4.5 bits each. The default of many model files.
//!
//! ```text
//! byte   0..2    2                 17
//!        d f16   qs[0] ... qs[15]
//! qs[j]: low nibble = q of element j, high nibble = q of element j + 16
//! value = d * (q - 8)
//! ```

use bytemuck::{Pod, Zeroable};

use super::{Block, f32_to_half, half_is_finite, half_to_f32, inverse_or_zero, largest_magnitude};

const HALF: usize = 16;

/// A block of 32 elements (`block_q4_0` of ggml).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockQ4_0 {
    /// Scale, as the bits of an f16.
    pub d: u16,
    /// Nibbles: element `j` low, element `j + 16` high.
    pub qs: [u8; HALF],
}

const _: () = assert!(size_of::<BlockQ4_0>() == 18);

impl Block for BlockQ4_0 {
    const ELEMENTS: usize = 32;

    fn is_finite(&self) -> bool {
        half_is_finite(self.d)
    }

    fn decode(&self, out: &mut [f32]) {
        let scale = half_to_f32(self.d);
        let (low, high) = out.split_at_mut(HALF);
        for ((&pair, low), high) in self.qs.iter().zip(low).zip(high) {
            *low = scale * f32::from((pair & 15) as i8 - 8);
            *high = scale * f32::from((pair >> 4) as i8 - 8);
        }
    }

    /// As ggml does: the number of largest magnitude becomes -8, so its sign is the scale's.
    fn encode(values: &[f32]) -> Self {
        let scale = largest_magnitude(values) / -8.0;
        let inverse = inverse_or_zero(scale);
        let nibble = |value: f32| ((value * inverse + 8.5) as u8).min(15);
        Self {
            d: f32_to_half(scale),
            qs: std::array::from_fn(|j| nibble(values[j]) | nibble(values[j + HALF]) << 4),
        }
    }
}
