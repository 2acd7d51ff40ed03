//! Q6_K: 256 numbers of 6 bits, a scale of 8 bits per 16, one scale over all; 6.5625 bits each.
//! Most Q4 files keep their output matrix in it.
//!
//! ```text
//! byte   0          128        192            208..210
//!        ql[0..128] qh[0..64]  scales[0..16]  d f16
//!
//! Two halves of 128 elements; half h uses ql[64h..], qh[32h..], scales[8h..]. For l in 0..32:
//!   element      low 4 bits          high 2 bits        scale
//!   l            ql[l]      & 15     qh[l]      & 3     scales[l / 16]
//!   l + 32       ql[l + 32] & 15     qh[l] >> 2 & 3     scales[l / 16 + 2]
//!   l + 64       ql[l]      >> 4     qh[l] >> 4 & 3     scales[l / 16 + 4]
//!   l + 96       ql[l + 32] >> 4     qh[l] >> 6         scales[l / 16 + 6]
//! value = d * scale * (q - 32)
//! ```

use bytemuck::{Pod, Zeroable};

use super::search::{best_scale, quantum};
use super::{Block, f32_to_half, half_is_finite, half_to_f32, inverse_or_zero, largest_magnitude};

const ELEMENTS: usize = 256;
/// Elements that share an 8-bit scale.
const GROUP: usize = 16;

/// A super-block of 256 elements (`block_q6_K` of ggml).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockQ6K {
    /// The low 4 bits of the elements.
    pub ql: [u8; 128],
    /// The high 2 bits of the elements.
    pub qh: [u8; 64],
    /// Scale of each 16 elements.
    pub scales: [i8; 16],
    /// Scale of the scales, as the bits of an f16.
    pub d: u16,
}

const _: () = assert!(size_of::<BlockQ6K>() == 210);

/// Where the six bits of an element stand.
struct Place {
    low_byte: usize,
    low_shift: usize,
    high_byte: usize,
    high_shift: usize,
}

impl Place {
    fn of(element: usize) -> Self {
        let (half, within) = (element / 128, element % 128);
        let (quarter, l) = (within / 32, within % 32);
        Self {
            low_byte: 64 * half + 32 * (quarter % 2) + l,
            low_shift: 4 * (quarter / 2),
            high_byte: 32 * half + l,
            high_shift: 2 * quarter,
        }
    }
}

impl Block for BlockQ6K {
    const ELEMENTS: usize = ELEMENTS;

    fn is_finite(&self) -> bool {
        half_is_finite(self.d)
    }

    fn decode(&self, out: &mut [f32]) {
        let d = half_to_f32(self.d);
        for (element, value) in out.iter_mut().enumerate() {
            let place = Place::of(element);
            let low = self.ql[place.low_byte] >> place.low_shift & 15;
            let high = self.qh[place.high_byte] >> place.high_shift & 3;
            let q = (low | high << 4) as i8 - 32;
            *value = d * f32::from(self.scales[element / GROUP]) * f32::from(q);
        }
    }

    fn encode(values: &[f32]) -> Self {
        let mut ideal = [0.0; ELEMENTS / GROUP];
        for (scale, group) in ideal.iter_mut().zip(values.chunks_exact(GROUP)) {
            *scale = best_scale(group, 32.0);
        }
        let mut block = Self::zeroed();
        let d = largest_magnitude(&ideal) / -128.0;
        block.d = f32_to_half(d);
        // What a reader will multiply with: the rounding of `d` is part of the error to undo.
        let d = half_to_f32(block.d);
        for (group, scale) in ideal.iter().enumerate() {
            block.scales[group] = (scale * inverse_or_zero(d)).round() as i8;
        }
        for (element, &value) in values.iter().enumerate() {
            let scale = d * f32::from(block.scales[element / GROUP]);
            let q = (quantum(value, inverse_or_zero(scale), 32.0) + 32.0) as u8;
            let place = Place::of(element);
            block.ql[place.low_byte] |= (q & 15) << place.low_shift;
            block.qh[place.high_byte] |= (q >> 4) << place.high_shift;
        }
        block
    }
}
