//! Where the plain rows of a model's tensors come from: a seed, files (`mapped.rs`), or either in f32.

use std::ops::Range;

use sysinfer_formats::TensorType;
use sysinfer_formats::blocks::dequantize;

use super::file_rows::FileRows;
use super::preset::{self, Preset};
use super::synth;
use super::tensor::{self, TensorInfo};
use crate::error::EngineError;

/// Plain rows by tensor name; read from several threads at once.
pub trait Source: Sync {
    /// What there is under `name`.
    fn find(&self, name: &str) -> Option<TensorInfo>;

    /// Everything there is.
    fn tensors(&self) -> Vec<TensorInfo>;

    /// The plain bytes of row `row` of a tensor that [`Source::find`] gave: either the source's own
    /// or written to `buffer`, which has the length of a row.
    fn row<'s>(&'s self, tensor: &TensorInfo, row: usize, buffer: &'s mut [u8]) -> &'s [u8];

    /// The rows of a tensor where they are, if they are to stay there and not to be packed.
    fn stay(&self, _tensor: &TensorInfo) -> Option<FileRows> {
        None
    }

    /// Tells that some rows were read and are hardly read again: a source that holds memory for them
    /// may give it back.
    fn release(&self, _tensor: &TensorInfo, _rows: Range<usize>) {}
}

/// A preset's shape with random weights.
#[derive(Debug)]
pub struct Synthetic {
    tensors: Vec<TensorInfo>,
    seed: u64,
}

impl Synthetic {
    /// The tensors of `preset`, all their rows derived from `seed`.
    pub fn new(preset: Preset, seed: u64) -> Self {
        Self {
            tensors: preset::tensors(preset),
            seed,
        }
    }

    /// Changes what every tensor is; those that `change` says no to are left out.
    #[cfg(test)]
    pub(crate) fn reshape(&mut self, change: impl FnMut(&mut TensorInfo) -> bool) {
        self.tensors.retain_mut(change);
    }

    /// Leaves a tensor out.
    #[cfg(test)]
    pub(crate) fn forget(&mut self, name: &str) {
        self.tensors.retain(|tensor| tensor.name != name);
    }
}

impl Source for Synthetic {
    fn find(&self, name: &str) -> Option<TensorInfo> {
        self.tensors
            .iter()
            .find(|tensor| tensor.name == name)
            .cloned()
    }

    fn tensors(&self) -> Vec<TensorInfo> {
        self.tensors.clone()
    }

    fn row<'s>(&'s self, tensor: &TensorInfo, row: usize, buffer: &'s mut [u8]) -> &'s [u8] {
        synth::fill_row(self.seed, tensor, row, buffer);
        buffer
    }
}

/// Another source with every tensor dequantised to f32.
pub struct InF32<'s>(&'s dyn Source);

impl<'s> InF32<'s> {
    /// Wraps `source`.
    ///
    /// # Errors
    /// A tensor of a type that cannot be dequantised.
    pub fn new(source: &'s dyn Source) -> Result<InF32<'s>, EngineError> {
        source.tensors().iter().try_for_each(decodable)?;
        Ok(InF32(source))
    }

    fn widened(tensor: TensorInfo) -> TensorInfo {
        TensorInfo {
            kind: TensorType::F32,
            ..tensor
        }
    }
}

impl Source for InF32<'_> {
    fn find(&self, name: &str) -> Option<TensorInfo> {
        self.0.find(name).map(Self::widened)
    }

    fn tensors(&self) -> Vec<TensorInfo> {
        self.0.tensors().into_iter().map(Self::widened).collect()
    }

    fn row<'s>(&'s self, tensor: &TensorInfo, row: usize, buffer: &'s mut [u8]) -> &'s [u8] {
        let stored = self.0.find(&tensor.name).expect("found before");
        let mut plain = vec![0; stored.row_bytes()];
        let mut values = vec![0.0; stored.columns];
        let plain = self.0.row(&stored, row, &mut plain);
        dequantize(stored.kind, plain, &mut values).expect("the loader checked the type");
        for (bytes, value) in buffer.chunks_exact_mut(4).zip(values) {
            bytes.copy_from_slice(&value.to_le_bytes());
        }
        buffer
    }

    fn release(&self, tensor: &TensorInfo, rows: Range<usize>) {
        let stored = self.0.find(&tensor.name).expect("found before");
        self.0.release(&stored, rows);
    }
}

/// Bytes of all tensors as they are packed.
pub fn packed_bytes(source: &dyn Source) -> u64 {
    tensor::packed_bytes(&source.tensors())
}

/// Whether a tensor's type can be dequantised: decoding one block tells.
pub(super) fn decodable(tensor: &TensorInfo) -> Result<(), EngineError> {
    let block = vec![0; tensor.kind.block_bytes()];
    let mut values = vec![0.0; tensor.kind.block_elements()];
    dequantize(tensor.kind, &block, &mut values)
        .map_err(|error| EngineError::Model(format!("tensor {}: {error}", tensor.name)))
}
