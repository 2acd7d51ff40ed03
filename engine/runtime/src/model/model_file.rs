//! A model's file, opened once for everybody who asks something of it.

use std::fmt::{self, Debug, Formatter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self_cell::self_cell;
use sysinfer_formats::gguf::Metadata;
use sysinfer_machine::FileMap;

use super::config::Config;
use super::files::Files;
use super::metadata;
use super::source::packed_bytes;
use super::storage::decided;
use super::stored::StoredModel;
use crate::error::EngineError;
use crate::tokenizer::Tokenizer;
use crate::weight_storage::WeightStorage;

self_cell! {
    /// The maps, and what was parsed from them, which borrows from them.
    struct Opened {
        owner: Files,
        #[covariant]
        dependent: StoredModel,
    }
}

/// A model's GGUF, mapped and parsed, with the other parts of one that is split. Its weights are not read.
///
/// The file must stay as it is while this lives, and so must one that weights stay in
/// ([`WeightStorage::Mapped`]) while an engine does.
pub struct ModelFile {
    path: PathBuf,
    opened: Opened,
}

impl Debug for ModelFile {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("ModelFile");
        shown.field("path", &self.path).finish_non_exhaustive()
    }
}

impl ModelFile {
    /// Opens a model by the name of its file, or of any of its parts.
    ///
    /// # Errors
    /// A file that cannot be read or is no GGUF; a part that is missing or whose name does not tell
    /// where the others are; parts that do not make a model.
    pub fn open(path: &Path) -> Result<ModelFile, EngineError> {
        Ok(ModelFile {
            path: path.to_owned(),
            opened: Opened::try_new(Files::open(path)?, Files::stored)?,
        })
    }

    /// The name by which it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its keys and values, and its tensors.
    pub fn stored(&self) -> &StoredModel<'_> {
        self.opened.borrow_dependent()
    }

    /// The maps of its files, in the order of the parts.
    pub fn maps(&self) -> impl Iterator<Item = &Arc<FileMap>> {
        self.opened.borrow_owner().maps()
    }

    /// Bytes of all its files.
    pub fn bytes(&self) -> u64 {
        self.maps().map(|map| map.len() as u64).sum()
    }

    /// What the model is.
    ///
    /// # Errors
    /// No model that runs here: the key or tensor is named.
    pub fn config(&self) -> Result<Config, EngineError> {
        metadata::read(self.stored())
    }

    /// Its tokenizer, if it has one. Building it takes a fraction of a second.
    ///
    /// # Errors
    /// Keys that do not make a tokenizer.
    pub fn tokenizer(&self) -> Result<Option<Tokenizer>, EngineError> {
        Ok(Tokenizer::from_gguf(self.metadata())?)
    }

    /// Its chat template (Jinja), if it has one.
    ///
    /// # Errors
    /// The key is no text.
    pub fn chat_template(&self) -> Result<Option<&str>, EngineError> {
        let template = self.metadata().string("tokenizer.chat_template");
        template.map_err(|error| EngineError::Model(error.to_string()))
    }

    /// Where its weights go: what was asked for, and for `auto` what that comes to where `usable_bytes` of
    /// memory may be used, with the reason in one line if it is not to pack them.
    pub fn storage(
        &self,
        asked: WeightStorage,
        usable_bytes: Option<u64>,
    ) -> (WeightStorage, Option<String>) {
        decided(asked, packed_bytes(self.stored()), usable_bytes)
    }

    fn metadata(&self) -> &Metadata<'_> {
        self.stored().metadata()
    }
}
