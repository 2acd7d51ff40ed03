//! Whether the parts of a split model are all there and belong together (llama.cpp's gguf-split).

use sysinfer_formats::{Gguf, GgufError};

use crate::error::EngineError;

/// Which part of a split model a file says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    /// `split.no`: from 0.
    pub(crate) index: u64,
    /// `split.count`: at least 2.
    pub(crate) count: u64,
}

impl Split {
    /// What a file says; nothing where it is a whole model.
    ///
    /// # Errors
    /// Keys of the wrong type, or a number that no part can have.
    pub(crate) fn of(file: &Gguf<'_>) -> Result<Option<Split>, EngineError> {
        let (no, count) = ("split.no", "split.count");
        let metadata = file.metadata();
        let Some(count) = metadata.unsigned(count).map_err(model)?.filter(|n| *n > 1) else {
            return Ok(None);
        };
        match metadata.require_unsigned(no).map_err(model)? {
            index if index < count => Ok(Some(Split { index, count })),
            index => Err(EngineError::Model(format!(
                "{no} is {index}, but split.count is {count}; parts are counted from 0"
            ))),
        }
    }
}

/// Refuses parts that are not the parts 0, 1, 2, ... of one model.
pub(super) fn check(parts: &[Gguf<'_>]) -> Result<(), EngineError> {
    let fail = |message: String| Err(EngineError::Model(message));
    let found: usize = parts.iter().map(|part| part.tensors().len()).sum();
    for (place, part) in parts.iter().enumerate() {
        let (number, count) = (place + 1, parts.len());
        let said = match Split::of(part)? {
            Some(split) => (split.index + 1, split.count),
            None => (1, 1),
        };
        if said != (number as u64, count as u64) {
            return fail(format!(
                "the file named part {number} of {count} says that it is part {} of {}; give every \
                 part the name that it was made with",
                said.0, said.1
            ));
        }
        let key = "split.tensors.count";
        let stated = part.metadata().unsigned(key).map_err(model)?;
        if let Some(stated) = stated.filter(|stated| *stated != found as u64) {
            return fail(format!(
                "{key} of part {number} is {stated}, but the {count} parts hold {found} tensors \
                 together; they are not of one model"
            ));
        }
    }
    Ok(())
}

fn model(error: GgufError) -> EngineError {
    EngineError::Model(error.to_string())
}
