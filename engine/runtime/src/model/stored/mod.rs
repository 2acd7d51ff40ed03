//! What the files of a model hold, whatever files and forms it is stored in: one file or the parts of a
//! split one, experts in one tensor, in one for each expert, or gate and up together.
//!
//! Whoever reads a model sees one set of metadata and one list of tensors, with experts stacked as
//! current converters write them (`ffn_gate_exps`, `ffn_up_exps`, `ffn_down_exps`). Nothing is copied: a
//! tensor is the runs of bytes that its rows lie in.

mod experts;
mod parts;
mod tensor;

use std::collections::HashMap;

use sysinfer_formats::{Gguf, Metadata};

use super::source::Source;
use super::tensor::TensorInfo;
use crate::error::EngineError;

pub(crate) use parts::Split;
pub use tensor::StoredTensor;

/// A model in its files.
#[derive(Debug)]
pub struct StoredModel<'b> {
    /// Of the first part.
    metadata: Metadata<'b>,
    /// In the order of the files.
    tensors: Vec<StoredTensor<'b>>,
    by_name: HashMap<String, usize>,
}

impl<'b> StoredModel<'b> {
    /// Puts the parts of a model together, in the order of their numbers; a model that is not split is
    /// its own only part.
    ///
    /// # Errors
    /// Parts that do not belong together, a tensor in two of them, experts of which one is missing or
    /// unlike the others. [`EngineError::Model`] names it.
    pub fn new(parts: &[Gguf<'b>]) -> Result<StoredModel<'b>, EngineError> {
        let Some(first) = parts.first() else {
            return Err(EngineError::Model("there is no file".into()));
        };
        let tensors = parts.iter().flat_map(Gguf::tensors).map(StoredTensor::of);
        let tensors: Vec<StoredTensor<'_>> = experts::stacked(tensors.collect())?;
        let mut by_name = HashMap::with_capacity(tensors.len());
        for (index, tensor) in tensors.iter().enumerate() {
            if by_name.insert(tensor.info.name.clone(), index).is_some() {
                let name = &tensor.info.name;
                return Err(EngineError::Model(format!(
                    "tensor {name} is there twice; the parts are not of one model, or its experts are \
                     stored in two forms"
                )));
            }
        }
        parts::check(parts)?;
        Ok(StoredModel {
            metadata: first.metadata().clone(),
            tensors,
            by_name,
        })
    }

    /// The keys and values of the model.
    pub fn metadata(&self) -> &Metadata<'b> {
        &self.metadata
    }

    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<&StoredTensor<'b>> {
        self.by_name.get(name).map(|index| &self.tensors[*index])
    }

    /// A tensor that [`Source::find`] gave.
    pub(super) fn found(&self, tensor: &TensorInfo) -> &StoredTensor<'b> {
        self.tensor(&tensor.name).expect("found before")
    }
}

impl Source for StoredModel<'_> {
    fn find(&self, name: &str) -> Option<TensorInfo> {
        self.tensor(name).map(|tensor| tensor.info.clone())
    }

    fn tensors(&self) -> Vec<TensorInfo> {
        let tensors = self.tensors.iter();
        tensors.map(|tensor| tensor.info.clone()).collect()
    }

    fn row<'s>(&'s self, tensor: &TensorInfo, row: usize, _buffer: &'s mut [u8]) -> &'s [u8] {
        self.found(tensor).row(row)
    }
}
