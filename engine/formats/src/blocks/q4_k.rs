//! Q4_K: 256 numbers of 4 bits, scale and minimum of 6 bits per 32, one scale over all scales and
//! one over all minima; 4.5 bits each. The bulk of most downloaded models (Q4_K_M).
//!
//! ```text
//! byte   0..2    2..4       4              16
//!        d f16   dmin f16   scales[0..12]  qs[0..128]
//!
//! Eight groups of 32 elements; groups 2 k and 2 k + 1 share qs[32k..], low nibbles the first:
//!   element 64 k + l        q = qs[32 k + l] & 15
//!   element 64 k + 32 + l   q = qs[32 k + l] >> 4
//! scales: eight scales and eight minima of 6 bits (see `six_bits.rs`)
//! value = d * scale * q - dmin * minimum
//! ```

use bytemuck::{Pod, Zeroable};

use super::search::{best_scale_and_minimum, largest, unsigned_quantum};
use super::{Block, f32_to_half, half_is_finite, half_to_f32, inverse_or_zero, six_bits};

const ELEMENTS: usize = 256;
/// Elements that share scale and minimum.
const GROUP: usize = 32;

/// A super-block of 256 elements (`block_q4_K` of ggml).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockQ4K {
    /// Scale of the scales, as the bits of an f16.
    pub d: u16,
    /// Scale of the minima, as the bits of an f16.
    pub dmin: u16,
    /// Eight scales and eight minima of 6 bits, packed.
    pub scales: [u8; 12],
    /// Nibbles of the elements.
    pub qs: [u8; 128],
}

const _: () = assert!(size_of::<BlockQ4K>() == 144);

/// What Q4_K and Q5_K have in common: everything but where a code's bits stand.
#[derive(Clone, Copy)]
pub(super) struct Scales {
    pub(super) d: u16,
    pub(super) dmin: u16,
    pub(super) bytes: [u8; 12],
}

impl Scales {
    /// Scale and minimum of a group of 32 elements.
    pub(super) fn of_group(&self, group: usize) -> (f32, f32) {
        let (scale, minimum) = six_bits::scale_and_minimum(&self.bytes, group);
        (
            half_to_f32(self.d) * f32::from(scale),
            half_to_f32(self.dmin) * f32::from(minimum),
        )
    }

    /// The scales for 256 numbers with codes from 0 to `highest`.
    pub(super) fn fit(values: &[f32], highest: f32) -> Self {
        let (mut scales, mut minima) = ([0.0; 8], [0.0; 8]);
        for (index, group) in values.chunks_exact(GROUP).enumerate() {
            (scales[index], minima[index]) = best_scale_and_minimum(group, highest);
        }
        let d = f32_to_half(largest(&scales) / 63.0);
        let dmin = f32_to_half(largest(&minima) / 63.0);
        // What a reader will multiply with: the rounding of `d` is part of the error to undo.
        let codes = |values: [f32; 8], d: u16| {
            let inverse = inverse_or_zero(half_to_f32(d));
            values.map(|value| unsigned_quantum(value, inverse, 63.0) as u8)
        };
        let bytes = six_bits::pack(&codes(scales, d), &codes(minima, dmin));
        Self { d, dmin, bytes }
    }

    /// The code from 0 to `highest` for a number of a group.
    pub(super) fn code(&self, group: usize, value: f32, highest: f32) -> u8 {
        let (scale, minimum) = self.of_group(group);
        unsigned_quantum(value + minimum, inverse_or_zero(scale), highest) as u8
    }
}

/// Byte of `qs` and shift of an element's nibble.
pub(super) fn place(element: usize) -> (usize, usize) {
    let (pair, within) = (element / 64, element % 64);
    (32 * pair + within % 32, 4 * (within / 32))
}

impl Block for BlockQ4K {
    const ELEMENTS: usize = ELEMENTS;

    fn is_finite(&self) -> bool {
        half_is_finite(self.d) && half_is_finite(self.dmin)
    }

    fn decode(&self, out: &mut [f32]) {
        let scales = Scales {
            d: self.d,
            dmin: self.dmin,
            bytes: self.scales,
        };
        for (group, values) in out.chunks_exact_mut(GROUP).enumerate() {
            let (scale, minimum) = scales.of_group(group);
            for (index, value) in values.iter_mut().enumerate() {
                let (byte, shift) = place(GROUP * group + index);
                *value = scale * f32::from(self.qs[byte] >> shift & 15) - minimum;
            }
        }
    }

    fn encode(values: &[f32]) -> Self {
        let scales = Scales::fit(values, 15.0);
        let mut qs = [0; 128];
        for (element, &value) in values.iter().enumerate() {
            let (byte, shift) = place(element);
            qs[byte] |= scales.code(element / GROUP, value, 15.0) << shift;
        }
        Self {
            d: scales.d,
            dmin: scales.dmin,
            scales: scales.bytes,
            qs,
        }
    }
}
