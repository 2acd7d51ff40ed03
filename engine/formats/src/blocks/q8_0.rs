//! Q8_0: 32 numbers of 8 bits with one scale, 8.5 bits each. Weights, activations and KV cache.
//!
//! ```text
//! byte   0..2    2                 33
//!        d f16   qs[0] ... qs[31]      signed
//! value = d * qs[j]
//! ```

use bytemuck::{Pod, Zeroable};

use super::{Block, f32_to_half, half_is_finite, half_to_f32, inverse_or_zero, largest_magnitude};

/// A block of 32 elements (`block_q8_0` of ggml).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockQ8_0 {
    /// Scale, as the bits of an f16.
    pub d: u16,
    /// The elements in order.
    pub qs: [i8; 32],
}

const _: () = assert!(size_of::<BlockQ8_0>() == 34);

impl Block for BlockQ8_0 {
    const ELEMENTS: usize = 32;

    fn is_finite(&self) -> bool {
        half_is_finite(self.d)
    }

    fn decode(&self, out: &mut [f32]) {
        let scale = half_to_f32(self.d);
        for (&q, value) in self.qs.iter().zip(out) {
            *value = scale * f32::from(q);
        }
    }

    fn encode(values: &[f32]) -> Self {
        let scale = largest_magnitude(values).abs() / 127.0;
        let inverse = inverse_or_zero(scale);
        Self {
            d: f32_to_half(scale),
            qs: std::array::from_fn(|j| (values[j] * inverse).round() as i8),
        }
    }
}
