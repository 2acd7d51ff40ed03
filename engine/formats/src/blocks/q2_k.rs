//! Q2_K: 256 numbers of 2 bits, scale and minimum of 4 bits per 16, one scale over all scales and
//! one over all minima; 2.625 bits each.
//!
//! ```text
//! byte   0              16          80       82..84
//!        scales[0..16]  qs[0..64]   d f16    dmin f16
//!
//! scales[g]: low nibble = scale, high nibble = minimum of the elements 16 g .. 16 g + 16
//! Two halves of 128 elements; half h uses qs[32h..]. For l in 0..32 and quarter k in 0..4:
//!   element 32 k + l   q = qs[l] >> 2 k & 3
//! value = d * scale * q - dmin * minimum
//! ```

use bytemuck::{Pod, Zeroable};

use super::search::{best_scale_and_minimum, largest, unsigned_quantum};
use super::{Block, f32_to_half, half_is_finite, half_to_f32, inverse_or_zero};

const ELEMENTS: usize = 256;
/// Elements that share scale and minimum.
const GROUP: usize = 16;

/// A super-block of 256 elements (`block_q2_K` of ggml).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockQ2K {
    /// Scale (low nibble) and minimum (high nibble) of each 16 elements.
    pub scales: [u8; ELEMENTS / GROUP],
    /// The elements' codes.
    pub qs: [u8; 64],
    /// Scale of the scales, as the bits of an f16.
    pub d: u16,
    /// Scale of the minima, as the bits of an f16.
    pub dmin: u16,
}

const _: () = assert!(size_of::<BlockQ2K>() == 84);

/// Byte of `qs` and shift of an element's two bits.
pub(super) fn place(element: usize) -> (usize, usize) {
    let (half, within) = (element / 128, element % 128);
    (32 * half + within % 32, 2 * (within / 32))
}

impl BlockQ2K {
    /// Scale and minimum of a group of 16 elements.
    fn scale_and_minimum(&self, group: usize) -> (f32, f32) {
        let pair = self.scales[group];
        (
            half_to_f32(self.d) * f32::from(pair & 15),
            half_to_f32(self.dmin) * f32::from(pair >> 4),
        )
    }
}

impl Block for BlockQ2K {
    const ELEMENTS: usize = ELEMENTS;

    fn is_finite(&self) -> bool {
        half_is_finite(self.d) && half_is_finite(self.dmin)
    }

    fn decode(&self, out: &mut [f32]) {
        for (group, values) in out.chunks_exact_mut(GROUP).enumerate() {
            let (scale, minimum) = self.scale_and_minimum(group);
            for (index, value) in values.iter_mut().enumerate() {
                let (byte, shift) = place(GROUP * group + index);
                *value = scale * f32::from(self.qs[byte] >> shift & 3) - minimum;
            }
        }
    }

    fn encode(values: &[f32]) -> Self {
        let (mut scales, mut minima) = ([0.0; ELEMENTS / GROUP], [0.0; ELEMENTS / GROUP]);
        for (index, group) in values.chunks_exact(GROUP).enumerate() {
            (scales[index], minima[index]) = best_scale_and_minimum(group, 3.0);
        }
        let mut block = Self::zeroed();
        block.d = f32_to_half(largest(&scales) / 15.0);
        block.dmin = f32_to_half(largest(&minima) / 15.0);
        // What a reader will multiply with: the rounding of `d` is part of the error to undo.
        let inverse = inverse_or_zero(half_to_f32(block.d));
        let inverse_minimum = inverse_or_zero(half_to_f32(block.dmin));
        for (group, values) in values.chunks_exact(GROUP).enumerate() {
            let scale = unsigned_quantum(scales[group], inverse, 15.0) as u8;
            let minimum = unsigned_quantum(minima[group], inverse_minimum, 15.0) as u8;
            block.scales[group] = scale | minimum << 4;
            let (scale, minimum) = block.scale_and_minimum(group);
            for (index, value) in values.iter().enumerate() {
                let q = unsigned_quantum(value + minimum, inverse_or_zero(scale), 3.0) as u8;
                let (byte, shift) = place(GROUP * group + index);
                block.qs[byte] |= q << shift;
            }
        }
        block
    }
}
