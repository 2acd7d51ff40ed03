//! The files of a model, mapped: the one that was named, and the other parts of a split model beside it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sysinfer_formats::Gguf;
use sysinfer_machine::FileMap;

use super::stored::{Split, StoredModel};
use crate::error::EngineError;

/// The maps of all files of a model.
#[derive(Debug)]
pub struct ModelFiles {
    /// In the order of the parts.
    maps: Vec<(PathBuf, Arc<FileMap>)>,
}

impl ModelFiles {
    /// Maps a model by the name of its file, or of any of its parts.
    ///
    /// # Errors
    /// A file that cannot be read or is no GGUF; a part that is missing or whose name does not tell
    /// where the others are.
    pub fn open(path: &Path) -> Result<ModelFiles, EngineError> {
        let map = Arc::new(FileMap::open(path)?);
        let Some(split) = Split::of(&parse(path, &map)?)? else {
            return Ok(ModelFiles {
                maps: vec![(path.to_owned(), map)],
            });
        };
        let name = PartName::of(path).filter(|name| u64::from(name.count) == split.count);
        let Some(name) = name else {
            return Err(EngineError::Model(format!(
                "{} is part {} of {} of a split model, and its name does not say so; give the parts \
                 their names NAME-00001-of-{:05}.gguf and so on, or make one file of them with \
                 llama-gguf-split --merge",
                path.display(),
                split.index + 1,
                split.count,
                split.count
            )));
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
        Ok(ModelFiles { maps })
    }

    /// What the files hold.
    ///
    /// # Errors
    /// A part that is no GGUF, or parts that do not make a model.
    pub fn stored(&self) -> Result<StoredModel<'_>, EngineError> {
        let parts = self.maps.iter().map(|(path, map)| parse(path, map));
        StoredModel::new(&parts.collect::<Result<Vec<_>, _>>()?)
    }

    /// The maps, in the order of the parts.
    pub fn maps(&self) -> impl Iterator<Item = &Arc<FileMap>> {
        self.maps.iter().map(|(_, map)| map)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.maps().map(|map| map.len() as u64).sum()
    }
}

/// A file's name beside what is wrong with its bytes.
fn parse<'b>(path: &Path, bytes: &'b [u8]) -> Result<Gguf<'b>, EngineError> {
    Gguf::parse(bytes).map_err(|source| EngineError::File {
        path: path.to_owned(),
        source,
    })
}

/// The name of a part as gguf-split gives it: `STEM-00002-of-00003.gguf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartName {
    /// What all parts begin with.
    pub stem: OsString,
    /// From 1.
    pub number: u32,
    /// At least `number`.
    pub count: u32,
}

impl PartName {
    /// The name at the end of a path, if it is of that form.
    pub fn of(path: &Path) -> Option<PartName> {
        let name = path.file_name()?.as_bytes();
        let (stem, tail) = name.split_at_checked(name.len().checked_sub(TAIL_BYTES)?)?;
        let tail = std::str::from_utf8(tail).ok()?;
        let (number, count) = tail
            .strip_prefix('-')?
            .strip_suffix(".gguf")?
            .split_once("-of-")?;
        let digits = |text: &str| {
            let all = text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u32>().ok().filter(|_| all)
        };
        let (number, count) = (digits(number)?, digits(count)?);
        (1..=count).contains(&number).then(|| PartName {
            stem: OsStr::from_bytes(stem).to_owned(),
            number,
            count,
        })
    }

    fn sibling(&self, number: u32) -> OsString {
        let mut name = self.stem.clone();
        name.push(format!("-{number:05}-of-{:05}.gguf", self.count));
        name
    }
}

const TAIL_BYTES: usize = "-00001-of-00001.gguf".len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parts_are_read_and_made() {
        let name = PartName::of(Path::new("/m/llama-00002-of-00003.gguf")).unwrap();
        assert_eq!((name.number, name.count), (2, 3));
        assert_eq!(name.stem, "llama");
        assert_eq!(name.sibling(3), "llama-00003-of-00003.gguf");
        for other in [
            "llama.gguf",
            "llama-2-of-3.gguf",
            "llama-00004-of-00003.gguf",
            "llama-00000-of-00003.gguf",
            "llama-+0002-of-00003.gguf",
            "llama-00002-of-00003.GGUF",
            "-of-.gguf",
        ] {
            assert_eq!(PartName::of(Path::new(other)), None, "{other}");
        }
    }
}
