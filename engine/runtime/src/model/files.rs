//! The files of a model, mapped: the one that was named, and the other parts of a split model beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sysinfer_formats::Gguf;
use sysinfer_machine::FileMap;

use super::part_name::PartName;
use super::stored::{Split, StoredModel};
use crate::error::EngineError;

/// The maps of all files of a model.
#[derive(Debug)]
pub(super) struct Files {
    /// In the order of the parts.
    maps: Vec<(PathBuf, Arc<FileMap>)>,
}

impl Files {
    /// Maps a model by the name of its file, or of any of its parts.
    ///
    /// # Errors
    /// A file that cannot be read; of one that has the name of a part also what is no GGUF, and a part that
    /// is missing.
    pub(super) fn open(path: &Path) -> Result<Files, EngineError> {
        let map = Arc::new(FileMap::open(path)?);
        let name = match PartName::of(path) {
            // A name alone makes no part.
            Some(name) => Split::of(&parse(path, &map)?)?
                .filter(|split| u64::from(name.count) == split.count)
                .map(|_| name),
            None => None,
        };
        let Some(name) = name else {
            return Ok(Files {
                maps: vec![(path.to_owned(), map)],
            });
        };
        let parts = (1..=name.count).map(|number| {
            if number == name.number {
                return Ok((path.to_owned(), Arc::clone(&map)));
            }
            let sibling = path.with_file_name(name.sibling(number));
            match FileMap::open(&sibling) {
                Ok(map) => Ok((sibling, Arc::new(map))),
                Err(error) => Err(EngineError::Model(format!(
                    "part {number} of {} of this model cannot be read: {error}; all parts have to lie \
                     in one folder",
                    name.count
                ))),
            }
        });
        let maps = parts.collect::<Result<_, _>>()?;
        Ok(Files { maps })
    }

    /// What the files hold.
    ///
    /// # Errors
    /// A file that is no GGUF, a part whose name does not tell where the others are, or parts that do not
    /// make a model.
    pub(super) fn stored(&self) -> Result<StoredModel<'_>, EngineError> {
        let parts = self.maps.iter().map(|(path, map)| parse(path, map));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        if let ([(path, _)], [part]) = (&self.maps[..], &parts[..])
            && let Some(split) = Split::of(part)?
        {
            return Err(EngineError::Model(format!(
                "{} is part {} of {} of a split model, and its name does not say so; give the parts \
                 their names NAME-00001-of-{:05}.gguf and so on, or make one file of them with \
                 llama-gguf-split --merge",
                path.display(),
                split.index + 1,
                split.count,
                split.count
            )));
        }
        StoredModel::new(&parts)
    }

    /// The maps, in the order of the parts.
    pub(super) fn maps(&self) -> impl Iterator<Item = &Arc<FileMap>> {
        self.maps.iter().map(|(_, map)| map)
    }
}

/// A file's name beside what is wrong with its bytes.
fn parse<'b>(path: &Path, bytes: &'b [u8]) -> Result<Gguf<'b>, EngineError> {
    Gguf::parse(bytes).map_err(|source| EngineError::File {
        path: path.to_owned(),
        source,
    })
}
