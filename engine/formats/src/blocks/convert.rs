//! From blocks to numbers and back, by storage type.

use thiserror::Error;

use super::float::{Bf16, F16, F32};
use super::{
    Block, BlockIq4Nl, BlockIq4Xs, BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0,
    BlockQ5_1, BlockQ5K, BlockQ6K, BlockQ8_0,
};
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
        TensorType::F32 => decode_blocks::<F32>(kind, bytes, out),
        TensorType::F16 => decode_blocks::<F16>(kind, bytes, out),
        TensorType::BF16 => decode_blocks::<Bf16>(kind, bytes, out),
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
        TensorType::F32 => first::<F32>(bytes),
        TensorType::F16 => first::<F16>(bytes),
        TensorType::BF16 => first::<Bf16>(bytes),
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
        TensorType::F32 => encode_blocks::<F32>(kind, values, out),
        TensorType::F16 => encode_blocks::<F16>(kind, values, out),
        TensorType::BF16 => encode_blocks::<Bf16>(kind, values, out),
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
