//! IQ4_XS: 256 numbers of 4 bits at the levels of IQ4_NL, a signed scale of 6 bits per 32, one scale
//! over all; 4.25 bits each.
//!
//! ```text
//! byte   0..2    2..4            4               8
//!        d f16   scales_h u16    scales_l[0..4]  qs[0..128]
//!
//! Group g of 32 elements uses qs[16g..], nibbles as in IQ4_NL. Its scale, 0..64 with zero at 32:
//!   low 4 bits    scales_l[g / 2] >> 4 (g % 2) & 15
//!   high 2 bits   scales_h >> 2 g & 3
//! value = d * (scale - 32) * LEVELS[q]
//! ```

use bytemuck::{Pod, Zeroable};

use super::iq4_nl::{best_level_scale, decode_nibbles, nibbles};
use super::search::quantum;
use super::{Block, f32_to_half, half_is_finite, half_to_f32, inverse_or_zero, largest_magnitude};

const ELEMENTS: usize = 256;
/// Elements that share a scale.
const GROUP: usize = 32;

/// A super-block of 256 elements (`block_iq4_xs` of ggml).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockIq4Xs {
    /// Scale of the scales, as the bits of an f16.
    pub d: u16,
    /// Bits 4 and 5 of the eight scales.
    pub scales_h: u16,
    /// Low nibbles of the eight scales.
    pub scales_l: [u8; 4],
    /// Nibbles of the elements, 16 bytes per group.
    pub qs: [u8; 128],
}

const _: () = assert!(size_of::<BlockIq4Xs>() == 136);

impl BlockIq4Xs {
    /// The signed scale of a group of 32 elements, -32..32.
    fn sub_scale(&self, group: usize) -> i8 {
        let low = self.scales_l[group / 2] >> (4 * (group % 2)) & 15;
        let high = (self.scales_h >> (2 * group) & 3) as u8;
        (low | high << 4) as i8 - 32
    }

    /// Stores a signed scale into bits that are still zero.
    fn set_sub_scale(&mut self, group: usize, scale: i8) {
        let code = (scale + 32) as u8;
        self.scales_l[group / 2] |= (code & 15) << (4 * (group % 2));
        self.scales_h |= u16::from(code >> 4) << (2 * group);
    }
}

impl Block for BlockIq4Xs {
    const ELEMENTS: usize = ELEMENTS;

    fn is_finite(&self) -> bool {
        half_is_finite(self.d)
    }

    fn decode(&self, out: &mut [f32]) {
        let d = half_to_f32(self.d);
        let groups = self.qs.chunks_exact(GROUP / 2);
        for (group, (qs, out)) in groups.zip(out.chunks_exact_mut(GROUP)).enumerate() {
            decode_nibbles(qs, d * f32::from(self.sub_scale(group)), out);
        }
    }

    fn encode(values: &[f32]) -> Self {
        let mut ideal = [0.0; ELEMENTS / GROUP];
        for (scale, group) in ideal.iter_mut().zip(values.chunks_exact(GROUP)) {
            *scale = best_level_scale(group);
        }
        let mut block = Self::zeroed();
        block.d = f32_to_half(largest_magnitude(&ideal) / -32.0);
        // What a reader will multiply with: the rounding of `d` is part of the error to undo.
        let d = half_to_f32(block.d);
        for (group, values) in values.chunks_exact(GROUP).enumerate() {
            block.set_sub_scale(group, quantum(ideal[group], inverse_or_zero(d), 32.0) as i8);
            let scale = d * f32::from(block.sub_scale(group));
            let qs = &mut block.qs[GROUP / 2 * group..][..GROUP / 2];
            qs.copy_from_slice(&nibbles(values, scale));
        }
        block
    }
}
