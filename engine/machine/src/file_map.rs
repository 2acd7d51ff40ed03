//! A read-only map of a file: how model files are read without copying them first.

use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::ops::Deref;
use std::path::Path;

use memmap2::{Mmap, UncheckedAdvice};
use rustix::fs::{Advice, fadvise};

use crate::MachineError;

/// The bytes of a file, mapped. The file must not be shortened while it is mapped: reading past its
/// new end raises SIGBUS, as for every program that maps files.
#[derive(Debug)]
pub struct FileMap {
    map: Mmap,
    file: File,
}

impl FileMap {
    /// Maps the file.
    ///
    /// # Errors
    /// [`MachineError::File`]: not found, no permission, not a regular file, or empty.
    pub fn open(path: &Path) -> Result<FileMap, MachineError> {
        let error = |why: String| MachineError::File {
            path: path.to_owned(),
            why,
        };
        let system = |source: std::io::Error| error(advice_for(&source));
        // Looked at before opening: opening a FIFO waits for a writer.
        check_kind(&std::fs::metadata(path).map_err(system)?).map_err(error)?;
        let file = File::open(path).map_err(system)?;
        check_kind(&file.metadata().map_err(system)?).map_err(error)?;
        // SAFETY: the map is private and read-only, so nothing changes the bytes through it. Another
        // process may change the file, which no program can exclude; readers treat the bytes as
        // plain data of any value and validate what they take from them.
        let map = unsafe { Mmap::map(&file) }.map_err(system)?;
        Ok(FileMap { map, file })
    }

    /// Gives back the memory that caches the file, ours and the system's; reading it again works and
    /// reads from disk. Best effort.
    pub fn release(&self) {
        // SAFETY: pages of a private file map that is never written are read from the file again.
        let _ = unsafe { self.map.unchecked_advise(UncheckedAdvice::DontNeed) };
        let _ = fadvise(&self.file, 0, None, Advice::DontNeed);
    }
}

impl Deref for FileMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

fn check_kind(metadata: &Metadata) -> Result<(), String> {
    if metadata.is_dir() {
        Err("it is a directory; name a file in it".to_owned())
    } else if !metadata.is_file() {
        Err("it is not a regular file".to_owned())
    } else if metadata.len() == 0 {
        Err("it is empty; was its download interrupted?".to_owned())
    } else {
        Ok(())
    }
}

fn advice_for(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file; check the path".to_owned(),
        ErrorKind::PermissionDenied => {
            "no permission to read it; check its owner and mode".to_owned()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_what_the_file_holds_and_survives_release() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let expected = std::fs::read(&path).unwrap();
        let map = FileMap::open(&path).unwrap();
        assert_eq!(&map[..], expected);
        map.release();
        assert_eq!(&map[..], expected);
    }

    #[test]
    fn refuses_what_cannot_be_mapped() {
        let empty = std::env::temp_dir().join(format!("sysinfer-empty-{}", std::process::id()));
        File::create(&empty).unwrap();
        for (path, word) in [
            (Path::new("/nonexistent/model.gguf"), "no such file"),
            (Path::new("/"), "directory"),
            (Path::new("/dev/null"), "regular file"),
            (empty.as_path(), "empty"),
        ] {
            let message = FileMap::open(path).unwrap_err().to_string();
            assert!(
                message.contains(word) && message.contains(path.to_str().unwrap()),
                "{message}"
            );
        }
        std::fs::remove_file(&empty).unwrap();
    }
}
