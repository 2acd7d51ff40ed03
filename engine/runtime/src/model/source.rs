//! Where the plain rows of a model's tensors come from: a GGUF file, or a seed.

use std::path::Path;

use sysinfer_formats::Gguf;

use super::preset::{self, Preset};
use super::synth;
use super::tensor::TensorInfo;
use crate::error::EngineError;

/// Plain rows by tensor name; read from several threads at once.
pub trait Source: Sync {
    /// What there is under `name`.
    fn find(&self, name: &str) -> Option<TensorInfo>;

    /// The plain bytes of row `row` of a tensor that [`Source::find`] gave: either the source's own
    /// or written to `buffer`, which has the length of a row.
    fn row<'s>(&'s self, tensor: &TensorInfo, row: usize, buffer: &'s mut [u8]) -> &'s [u8];
}

impl Source for Gguf<'_> {
    fn find(&self, name: &str) -> Option<TensorInfo> {
        let tensor = self.tensor(name)?;
        Some(TensorInfo {
            name: name.to_owned(),
            kind: tensor.kind,
            columns: tensor.columns(),
            rows: tensor.rows(),
        })
    }

    fn row<'s>(&'s self, tensor: &TensorInfo, row: usize, _buffer: &'s mut [u8]) -> &'s [u8] {
        Gguf::tensor(self, &tensor.name)
            .expect("found before")
            .row(row)
    }
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

    /// Bytes of all its tensors.
    pub fn total_bytes(&self) -> u64 {
        let bytes =
            |spec: &TensorInfo| spec.kind.row_bytes(spec.columns).map(|row| row * spec.rows);
        self.tensors.iter().filter_map(bytes).sum::<usize>() as u64
    }
}

impl Source for Synthetic {
    fn find(&self, name: &str) -> Option<TensorInfo> {
        self.tensors
            .iter()
            .find(|tensor| tensor.name == name)
            .cloned()
    }

    fn row<'s>(&'s self, tensor: &TensorInfo, row: usize, buffer: &'s mut [u8]) -> &'s [u8] {
        synth::fill_row(self.seed, tensor, row, buffer);
        buffer
    }
}

/// A file's name beside what is wrong with its bytes.
pub fn parse<'b>(path: &Path, bytes: &'b [u8]) -> Result<Gguf<'b>, EngineError> {
    Gguf::parse(bytes).map_err(|source| EngineError::File {
        path: path.to_owned(),
        source,
    })
}
