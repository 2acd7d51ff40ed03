//! Model files with planted faults.

use sysinfer_formats::blocks::quantize;
use sysinfer_formats::{Gguf, TensorType};

/// The values that are not finite.
pub const WRONG: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

/// Names of a file's tensors.
///
/// # Panics
/// If it is no GGUF.
pub fn tensors(file: &[u8]) -> Vec<String> {
    let file = Gguf::parse(file).expect("the test's own file");
    file.tensors().iter().map(|one| one.name.into()).collect()
}

/// Puts `wrong` into a row of a tensor: in place of its first value, or of the scale of its first block.
///
/// # Panics
/// If there is no such tensor or row.
pub fn spoil(file: &mut [u8], tensor: &str, row: usize, wrong: f32) {
    let (at, kind) = {
        let gguf = Gguf::parse(file).expect("the test's own file");
        let tensor = gguf.tensor(tensor).expect("the test's own tensor");
        let start = tensor.row(row).as_ptr().addr() - file.as_ptr().addr();
        (start + scale_offset(tensor.kind), tensor.kind)
    };
    let stored = match kind {
        TensorType::F32 | TensorType::BF16 => kind,
        _ => TensorType::F16,
    };
    let mut bytes = Vec::new();
    quantize(stored, &[wrong], &mut bytes).expect("plain numbers");
    file[at..at + bytes.len()].copy_from_slice(&bytes);
}

/// Multiplies all values of an F32 tensor.
///
/// # Panics
/// If there is no such tensor, or it is of another type.
pub fn stretch(file: &mut [u8], tensor: &str, factor: f32) {
    let (start, length) = {
        let gguf = Gguf::parse(file).expect("the test's own file");
        let tensor = gguf.tensor(tensor).expect("the test's own tensor");
        assert_eq!(tensor.kind, TensorType::F32);
        let start = tensor.data.as_ptr().addr() - file.as_ptr().addr();
        (start, tensor.data.len())
    };
    for value in file[start..start + length].as_chunks_mut::<4>().0 {
        *value = (f32::from_le_bytes(*value) * factor).to_le_bytes();
    }
}

/// Where the scale of a block stands in it.
fn scale_offset(kind: TensorType) -> usize {
    match kind {
        TensorType::Q2K => 80,
        TensorType::Q3K => 108,
        TensorType::Q6K => 208,
        _ => 0,
    }
}
