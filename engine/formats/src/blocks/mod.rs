//! Quantised blocks: what they look like, how they become `f32` and how they are made from it.
//!
//! One file per storage type. The structs are plain data of the exact size that stands in a file,
//! so kernels and packers get at them with `bytemuck::cast_slice`; tensor data is aligned for that
//! when the file itself is (every map is). The functions here read bytes at any address.
//!
//! These are reference conversions, made to be read and to be tested against: fast paths live in
//! the kernels. Values follow ggml's `dequantize_row_*`, in f32 throughout.

mod convert;
mod float;
mod iq4_nl;
mod iq4_xs;
mod q2_k;
mod q3_k;
mod q4_0;
mod q4_1;
mod q4_k;
mod q5_0;
mod q5_1;
mod q5_k;
mod q6_k;
mod q8_0;
mod search;
mod six_bits;

pub use convert::{CONVERTIBLE, UnsupportedType, dequantize, first_not_finite, quantize};
pub use iq4_nl::{BlockIq4Nl, IQ4_LEVELS};
pub use iq4_xs::BlockIq4Xs;
pub use q2_k::BlockQ2K;
pub use q3_k::BlockQ3K;
pub use q4_0::BlockQ4_0;
pub use q4_1::BlockQ4_1;
pub use q4_k::BlockQ4K;
pub use q5_0::BlockQ5_0;
pub use q5_1::BlockQ5_1;
pub use q5_k::BlockQ5K;
pub use q6_k::BlockQ6K;
pub use q8_0::BlockQ8_0;

use bytemuck::Pod;

/// A block as it lies in a file.
trait Block: Pod {
    /// Elements of a block.
    const ELEMENTS: usize;

    /// Whether all its numbers are: where scales are finite, what they multiply is far below what f32 holds.
    fn is_finite(&self) -> bool;

    /// Writes the block's [`Self::ELEMENTS`] numbers to `out`, which has that length.
    fn decode(&self, out: &mut [f32]);

    /// The block nearest to `values`, which has [`Self::ELEMENTS`] numbers.
    fn encode(values: &[f32]) -> Self;
}

/// Whether these half-precision bits are a finite number.
fn half_is_finite(bits: u16) -> bool {
    half::f16::from_bits(bits).is_finite()
}

/// The number with these half-precision bits.
fn half_to_f32(bits: u16) -> f32 {
    half::f16::from_bits(bits).to_f32()
}

/// The bits of the half-precision number nearest to `value`.
fn f32_to_half(value: f32) -> u16 {
    half::f16::from_f32(value).to_bits()
}

/// `1 / value`, and 0 for 0: the scale of a block of zeros.
fn inverse_or_zero(value: f32) -> f32 {
    if value == 0.0 { 0.0 } else { 1.0 / value }
}

/// The number of largest magnitude, with its sign; 0 when there is none.
fn largest_magnitude(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |largest: f32, &value| {
        if value.abs() > largest.abs() {
            value
        } else {
            largest
        }
    })
}

#[cfg(test)]
mod tests;
