//! Quantised blocks: what they look like, how they become `f32` and how they are made from it.
//!
//! One file per storage type. The structs are plain data of the exact size that stands in a file,
//! so kernels and packers get at them with `bytemuck::cast_slice`; tensor data is aligned for that
//! when the file itself is (every map is). The functions here read bytes at any address.
//!
//! These are reference conversions, made to be read and to be tested against: fast paths live in
//! the kernels. Values follow ggml's `dequantize_row_*`, in f32 throughout.

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
use thiserror::Error;

use crate::tensor_type::TensorType;

/// The types that [`dequantize`] and [`quantize`] know.
pub const CONVERTIBLE: [TensorType; 15] = [
    TensorType::F32,
    TensorType::F16,
    TensorType::BF16,
    TensorType::Q4_0,
    TensorType::Q4_1,
    TensorType::Q5_0,
    TensorType::Q5_1,
    TensorType::Q8_0,
    TensorType::Q2K,
    TensorType::Q3K,
    TensorType::Q4K,
    TensorType::Q5K,
    TensorType::Q6K,
    TensorType::Iq4Nl,
    TensorType::Iq4Xs,
];

/// A storage type that this crate can measure but not convert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("tensor type {kind} is not supported; {}", advice(*kind))]
pub struct UnsupportedType {
    /// The type.
    pub kind: TensorType,
}

/// How to come to a file that can be read from one with tensors of this type.
fn advice(kind: TensorType) -> String {
    let supported = CONVERTIBLE.map(TensorType::name).join(", ");
    match kind {
        // No model weights: nothing that llama-quantize makes or takes.
        TensorType::I8
        | TensorType::I16
        | TensorType::I32
        | TensorType::I64
        | TensorType::F64
        | TensorType::Q8_1
        | TensorType::Q8K => format!(
            "convert the original model again with llama.cpp's convert_hf_to_gguf.py; these are \
             supported: {supported}"
        ),
        _ => format!(
            "choose a file of the model in a type that is ({supported}), or make one: llama-quantize \
             --allow-requantize IN.gguf OUT.gguf Q4_K_M (better from a file in BF16 or F16, without that flag)"
        ),
    }
}

/// Turns whole blocks into numbers.
///
/// # Errors
/// [`UnsupportedType`] for types that have no decoder here.
///
/// # Panics
/// When `bytes` is not exactly the blocks of `out.len()` elements. The rows of a parsed tensor are.
pub fn dequantize(kind: TensorType, bytes: &[u8], out: &mut [f32]) -> Result<(), UnsupportedType> {
    match kind {
        TensorType::F32 => decode_blocks::<float::F32>(kind, bytes, out),
        TensorType::F16 => decode_blocks::<float::F16>(kind, bytes, out),
        TensorType::BF16 => decode_blocks::<float::Bf16>(kind, bytes, out),
        TensorType::Q4_0 => decode_blocks::<BlockQ4_0>(kind, bytes, out),
        TensorType::Q4_1 => decode_blocks::<BlockQ4_1>(kind, bytes, out),
        TensorType::Q5_0 => decode_blocks::<BlockQ5_0>(kind, bytes, out),
        TensorType::Q5_1 => decode_blocks::<BlockQ5_1>(kind, bytes, out),
        TensorType::Q8_0 => decode_blocks::<BlockQ8_0>(kind, bytes, out),
        TensorType::Q2K => decode_blocks::<BlockQ2K>(kind, bytes, out),
        TensorType::Q3K => decode_blocks::<BlockQ3K>(kind, bytes, out),
        TensorType::Q4K => decode_blocks::<BlockQ4K>(kind, bytes, out),
        TensorType::Q5K => decode_blocks::<BlockQ5K>(kind, bytes, out),
        TensorType::Q6K => decode_blocks::<BlockQ6K>(kind, bytes, out),
        TensorType::Iq4Nl => decode_blocks::<BlockIq4Nl>(kind, bytes, out),
        TensorType::Iq4Xs => decode_blocks::<BlockIq4Xs>(kind, bytes, out),
        _ => return Err(UnsupportedType { kind }),
    }
    Ok(())
}

/// The first block of whole blocks with a number that is not finite, which is one whose scale or minimum is
/// not. Looks at nothing else of a block, so it is far quicker than decoding.
///
/// # Errors
/// [`UnsupportedType`] for types that have no decoder here.
pub fn first_not_finite(kind: TensorType, bytes: &[u8]) -> Result<Option<usize>, UnsupportedType> {
    fn first<B: Block>(bytes: &[u8]) -> Option<usize> {
        let mut blocks = bytes.chunks_exact(size_of::<B>());
        blocks.position(|block| !bytemuck::pod_read_unaligned::<B>(block).is_finite())
    }
    Ok(match kind {
        TensorType::F32 => first::<float::F32>(bytes),
        TensorType::F16 => first::<float::F16>(bytes),
        TensorType::BF16 => first::<float::Bf16>(bytes),
        TensorType::Q4_0 => first::<BlockQ4_0>(bytes),
        TensorType::Q4_1 => first::<BlockQ4_1>(bytes),
        TensorType::Q5_0 => first::<BlockQ5_0>(bytes),
        TensorType::Q5_1 => first::<BlockQ5_1>(bytes),
        TensorType::Q8_0 => first::<BlockQ8_0>(bytes),
        TensorType::Q2K => first::<BlockQ2K>(bytes),
        TensorType::Q3K => first::<BlockQ3K>(bytes),
        TensorType::Q4K => first::<BlockQ4K>(bytes),
        TensorType::Q5K => first::<BlockQ5K>(bytes),
        TensorType::Q6K => first::<BlockQ6K>(bytes),
        TensorType::Iq4Nl => first::<BlockIq4Nl>(bytes),
        TensorType::Iq4Xs => first::<BlockIq4Xs>(bytes),
        _ => return Err(UnsupportedType { kind }),
    })
}

/// Turns numbers into whole blocks, appended to `out`.
///
/// # Errors
/// [`UnsupportedType`] for types that have no encoder here.
///
/// # Panics
/// When `values` is not a whole number of blocks.
pub fn quantize(
    kind: TensorType,
    values: &[f32],
    out: &mut Vec<u8>,
) -> Result<(), UnsupportedType> {
    match kind {
        TensorType::F32 => encode_blocks::<float::F32>(kind, values, out),
        TensorType::F16 => encode_blocks::<float::F16>(kind, values, out),
        TensorType::BF16 => encode_blocks::<float::Bf16>(kind, values, out),
        TensorType::Q4_0 => encode_blocks::<BlockQ4_0>(kind, values, out),
        TensorType::Q4_1 => encode_blocks::<BlockQ4_1>(kind, values, out),
        TensorType::Q5_0 => encode_blocks::<BlockQ5_0>(kind, values, out),
        TensorType::Q5_1 => encode_blocks::<BlockQ5_1>(kind, values, out),
        TensorType::Q8_0 => encode_blocks::<BlockQ8_0>(kind, values, out),
        TensorType::Q2K => encode_blocks::<BlockQ2K>(kind, values, out),
        TensorType::Q3K => encode_blocks::<BlockQ3K>(kind, values, out),
        TensorType::Q4K => encode_blocks::<BlockQ4K>(kind, values, out),
        TensorType::Q5K => encode_blocks::<BlockQ5K>(kind, values, out),
        TensorType::Q6K => encode_blocks::<BlockQ6K>(kind, values, out),
        TensorType::Iq4Nl => encode_blocks::<BlockIq4Nl>(kind, values, out),
        TensorType::Iq4Xs => encode_blocks::<BlockIq4Xs>(kind, values, out),
        _ => return Err(UnsupportedType { kind }),
    }
    Ok(())
}

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

fn decode_blocks<B: Block>(kind: TensorType, bytes: &[u8], out: &mut [f32]) {
    assert_eq!(
        kind.row_bytes(out.len()),
        Some(bytes.len()),
        "{} bytes are not {} elements of {kind}",
        bytes.len(),
        out.len(),
    );
    let blocks = bytes.chunks_exact(size_of::<B>());
    for (block, values) in blocks.zip(out.chunks_exact_mut(B::ELEMENTS)) {
        bytemuck::pod_read_unaligned::<B>(block).decode(values);
    }
}

fn encode_blocks<B: Block>(kind: TensorType, values: &[f32], out: &mut Vec<u8>) {
    assert!(
        values.len().is_multiple_of(B::ELEMENTS),
        "{} elements are not whole blocks of {kind}",
        values.len(),
    );
    out.reserve(values.len() / B::ELEMENTS * size_of::<B>());
    for values in values.chunks_exact(B::ELEMENTS) {
        out.extend_from_slice(bytemuck::bytes_of(&B::encode(values)));
    }
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
