//! Q5_K: 256 numbers of 5 bits, scale and minimum of 6 bits per 32, one scale over all scales and
//! one over all minima; 5.5 bits each.
//!
//! ```text
//! byte   0..2    2..4       4              16          48
//!        d f16   dmin f16   scales[0..12]  qh[0..32]   qs[0..128]
//!
//! Low nibbles as in Q4_K. Element e has its bit 4 in qh[e % 32], bit e / 32.
//! scales: eight scales and eight minima of 6 bits (see `six_bits.rs`)
//! value = d * scale * q - dmin * minimum
//! ```

use bytemuck::{Pod, Zeroable};

use super::q4_k::{Scales, place};
use super::{Block, half_is_finite};

const ELEMENTS: usize = 256;
/// Elements that share scale and minimum.
const GROUP: usize = 32;

/// A super-block of 256 elements (`block_q5_K` of ggml).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockQ5K {
    /// Scale of the scales, as the bits of an f16.
    pub d: u16,
    /// Scale of the minima, as the bits of an f16.
    pub dmin: u16,
    /// Eight scales and eight minima of 6 bits, packed.
    pub scales: [u8; 12],
    /// Bit 4 of the elements.
    pub qh: [u8; 32],
    /// Low nibbles of the elements.
    pub qs: [u8; 128],
}

const _: () = assert!(size_of::<BlockQ5K>() == 176);

impl Block for BlockQ5K {
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
                let q = self.qs[byte] >> shift & 15 | (self.qh[index] >> group & 1) << 4;
                *value = scale * f32::from(q) - minimum;
            }
        }
    }

    fn encode(values: &[f32]) -> Self {
        let scales = Scales::fit(values, 31.0);
        let (mut qh, mut qs) = ([0; 32], [0; 128]);
        for (element, &value) in values.iter().enumerate() {
            let group = element / GROUP;
            let q = scales.code(group, value, 31.0);
            let (byte, shift) = place(element);
            qs[byte] |= (q & 15) << shift;
            qh[element % GROUP] |= (q >> 4) << group;
        }
        Self {
            d: scales.d,
            dmin: scales.dmin,
            scales: scales.bytes,
            qh,
            qs,
        }
    }
}
