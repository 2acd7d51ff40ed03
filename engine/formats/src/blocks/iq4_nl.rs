//! IQ4_NL: 32 numbers of 4 bits with one scale, 4.5 bits each. The 16 levels are not evenly spaced:
//! they lie closer around zero, where most weights are.
//!
//! ```text
//! byte   0..2    2                 17
//!        d f16   qs[0] ... qs[15]
//! qs[j]: low nibble = q of element j, high nibble = q of element j + 16
//! value = d * LEVELS[q]
//! ```

use bytemuck::{Pod, Zeroable};

use super::search::best_scale_for;
use super::{Block, f32_to_half, half_is_finite, half_to_f32, inverse_or_zero};

const HALF: usize = 16;

/// What the codes of IQ4_NL and IQ4_XS stand for (`kvalues_iq4nl` of ggml).
pub const IQ4_LEVELS: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

/// A block of 32 elements (`block_iq4_nl` of ggml).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockIq4Nl {
    /// Scale, as the bits of an f16.
    pub d: u16,
    /// Nibbles: element `j` low, element `j + 16` high.
    pub qs: [u8; HALF],
}

const _: () = assert!(size_of::<BlockIq4Nl>() == 18);

/// The code whose level is nearest to `value * inverse_scale`.
fn nearest(value: f32, inverse_scale: f32) -> u8 {
    let wanted = value * inverse_scale;
    let above = |pair: &&[i8]| wanted > (f32::from(pair[0]) + f32::from(pair[1])) / 2.0;
    IQ4_LEVELS.windows(2).take_while(above).count() as u8
}

/// The scale of least square error for 32 numbers, with the largest magnitude near the level -127.
pub(super) fn best_level_scale(values: &[f32]) -> f32 {
    let extreme = f32::from(IQ4_LEVELS[0]);
    best_scale_for(values, extreme, 1.0, |value, inverse| {
        f32::from(IQ4_LEVELS[usize::from(nearest(value, inverse))])
    })
}

/// The nibbles of 32 numbers at a given scale.
pub(super) fn nibbles(values: &[f32], scale: f32) -> [u8; HALF] {
    let inverse = inverse_or_zero(scale);
    std::array::from_fn(|j| nearest(values[j], inverse) | nearest(values[j + HALF], inverse) << 4)
}

/// The 32 numbers that nibbles at a given scale stand for.
pub(super) fn decode_nibbles(qs: &[u8], scale: f32, out: &mut [f32]) {
    let (low, high) = out.split_at_mut(HALF);
    for ((&pair, low), high) in qs.iter().zip(low).zip(high) {
        *low = scale * f32::from(IQ4_LEVELS[usize::from(pair & 15)]);
        *high = scale * f32::from(IQ4_LEVELS[usize::from(pair >> 4)]);
    }
}

impl Block for BlockIq4Nl {
    const ELEMENTS: usize = 32;

    fn is_finite(&self) -> bool {
        half_is_finite(self.d)
    }

    fn decode(&self, out: &mut [f32]) {
        decode_nibbles(&self.qs, half_to_f32(self.d), out);
    }

    fn encode(values: &[f32]) -> Self {
        let d = f32_to_half(best_level_scale(values));
        Self {
            d,
            qs: nibbles(values, half_to_f32(d)),
        }
    }
}
