//! Q3_K: 256 numbers of 3 bits, a signed scale of 6 bits per 16, one scale over all; 3.4375 bits
//! each.
//!
//! ```text
//! byte   0             32          96             108..110
//!        hmask[0..32]  qs[0..64]   scales[0..12]  d f16
//!
//! Low bits as in Q2_K: half h of 128 elements uses qs[32h..], quarter k of it the bits 2 k, 2 k + 1.
//! Element e has its high bit in hmask[e % 32], bit e / 32.
//! Scale g of 16 elements, 0..64 with zero at 32:
//!   low 4 bits    g < 8: scales[g] & 15, else scales[g - 8] >> 4
//!   high 2 bits   scales[8 + g % 4] >> 2 (g / 4) & 3
//! value = d * (scale - 32) * (q - 4)
//! ```

use bytemuck::{Pod, Zeroable};

use super::q2_k::place;
use super::search::{best_scale, quantum};
use super::{Block, f32_to_half, half_is_finite, half_to_f32, inverse_or_zero, largest_magnitude};

const ELEMENTS: usize = 256;
/// Elements that share a scale.
const GROUP: usize = 16;

/// A super-block of 256 elements (`block_q3_K` of ggml).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockQ3K {
    /// Bit 2 of the elements.
    pub hmask: [u8; 32],
    /// Bits 0 and 1 of the elements.
    pub qs: [u8; 64],
    /// The 16 scales of 6 bits, packed.
    pub scales: [u8; 12],
    /// Scale of the scales, as the bits of an f16.
    pub d: u16,
}

const _: () = assert!(size_of::<BlockQ3K>() == 110);

impl BlockQ3K {
    /// The signed scale of a group of 16 elements, -32..32.
    fn sub_scale(&self, group: usize) -> i8 {
        let low = self.scales[group % 8] >> (4 * (group / 8)) & 15;
        let high = self.scales[8 + group % 4] >> (2 * (group / 4)) & 3;
        (low | high << 4) as i8 - 32
    }

    /// Stores a signed scale into bits that are still zero.
    fn set_sub_scale(&mut self, group: usize, scale: i8) {
        let code = (scale + 32) as u8;
        self.scales[group % 8] |= (code & 15) << (4 * (group / 8));
        self.scales[8 + group % 4] |= (code >> 4) << (2 * (group / 4));
    }
}

impl Block for BlockQ3K {
    const ELEMENTS: usize = ELEMENTS;

    fn is_finite(&self) -> bool {
        half_is_finite(self.d)
    }

    fn decode(&self, out: &mut [f32]) {
        let d = half_to_f32(self.d);
        for (element, value) in out.iter_mut().enumerate() {
            let (byte, shift) = place(element);
            let high = self.hmask[element % 32] >> (element / 32) & 1;
            let q = (self.qs[byte] >> shift & 3 | high << 2) as i8 - 4;
            *value = d * f32::from(self.sub_scale(element / GROUP)) * f32::from(q);
        }
    }

    fn encode(values: &[f32]) -> Self {
        let mut ideal = [0.0; ELEMENTS / GROUP];
        for (scale, group) in ideal.iter_mut().zip(values.chunks_exact(GROUP)) {
            *scale = best_scale(group, 4.0);
        }
        let mut block = Self::zeroed();
        block.d = f32_to_half(largest_magnitude(&ideal) / -32.0);
        // What a reader will multiply with: the rounding of `d` is part of the error to undo.
        let d = half_to_f32(block.d);
        for (group, scale) in ideal.iter().enumerate() {
            block.set_sub_scale(group, quantum(*scale, inverse_or_zero(d), 32.0) as i8);
        }
        for (element, &value) in values.iter().enumerate() {
            let scale = d * f32::from(block.sub_scale(element / GROUP));
            let q = (quantum(value, inverse_or_zero(scale), 4.0) + 4.0) as u8;
            let (byte, shift) = place(element);
            block.qs[byte] |= (q & 3) << shift;
            block.hmask[element % 32] |= (q >> 2) << (element / 32);
        }
        block
    }
}
