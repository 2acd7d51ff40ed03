//! A read-only map of a file: how model files are read without copying them first, and how the memory
//! that this takes is given back, the process' and the system's.

use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::num::NonZeroU64;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};

use memmap2::{Mmap, UncheckedAdvice};
use rustix::fs::{Advice, fadvise};

use crate::MachineError;

/// The bytes of a file, mapped. The file must not be shortened while it is mapped: reading past its
/// new end raises SIGBUS, as for every program that maps files. Who reads a map for long looks with
/// [`FileMap::require_whole`] before every pass.
#[derive(Debug)]
pub struct FileMap {
    map: Mmap,
    file: File,
    path: PathBuf,
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
        let path = path.to_owned();
        Ok(FileMap { map, file, path })
    }

    /// Makes sure that the file has not become shorter than it was when it was mapped. It may still
    /// shrink at the next moment: this finds files that were replaced in place while nobody read.
    ///
    /// # Errors
    /// [`MachineError::File`]: it is shorter.
    pub fn require_whole(&self) -> Result<(), MachineError> {
        let length = self.file.metadata().map(|metadata| metadata.len());
        // A file system that cannot tell has not said that anything is wrong.
        match length {
            Ok(length) if length < self.map.len() as u64 => Err(MachineError::File {
                path: self.path.clone(),
                why: format!(
                    "it was cut from {} to {length} bytes while weights are read from it; put the \
                     whole file back under a new name, move it here, and start again",
                    self.map.len()
                ),
            }),
            _ => Ok(()),
        }
    }

    /// Gives this process' pages of `part`, a part of this map, back; they no longer count as its
    /// memory. Reading them again works, and finds them in the system's cache of the file while that
    /// has them. Best effort; what is not of this map stays as it is.
    pub fn release(&self, part: &[u8]) {
        let Some(range) = self.range_of(part) else {
            return;
        };
        // From the page that the first byte is in: a neighbour on it is read again at no great cost.
        let start = range.start - range.start % rustix::param::page_size();
        // SAFETY: pages of a private file map that is never written are read from the file again, as
        // they were, also by whoever reads them at this moment.
        let _ = unsafe {
            let advice = UncheckedAdvice::DontNeed;
            self.map
                .unchecked_advise_range(advice, start, range.end - start)
        };
    }

    /// Like [`Self::release`], and then gives back what the system caches of the file there: reading
    /// it again reads from disk. The system keeps pages that anybody maps, and pages that it holds in
    /// larger units which reach beyond `part`.
    pub fn release_with_cache(&self, part: &[u8]) {
        let Some(range) = self.range_of(part) else {
            return;
        };
        self.release(part);
        let bytes = NonZeroU64::new(range.len() as u64);
        let _ = fadvise(&self.file, range.start as u64, bytes, Advice::DontNeed);
    }

    /// Where `part` is in the file, if it is some bytes of this map.
    pub fn range_of(&self, part: &[u8]) -> Option<Range<usize>> {
        let start = part.as_ptr().addr().checked_sub(self.map.as_ptr().addr())?;
        let end = start.checked_add(part.len())?;
        (!part.is_empty() && end <= self.map.len()).then_some(start..end)
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
        map.release_with_cache(&map);
        assert_eq!(&map[..], expected);
    }

    /// Resident bytes of the mapping that holds `address`, from the process' own account of its memory.
    fn resident_bytes(address: usize) -> usize {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut here = false;
        for line in maps.lines() {
            let first = line.split_whitespace().next().unwrap_or_default();
            if let Some((start, end)) = first.split_once('-') {
                let number = |text| usize::from_str_radix(text, 16).unwrap();
                here = (number(start)..number(end)).contains(&address);
            } else if here && first == "Rss:" {
                let kib = line.split_whitespace().nth(1).unwrap();
                return kib.parse::<usize>().unwrap() << 10;
            }
        }
        panic!("no mapping holds {address:#x}");
    }

    #[test]
    fn released_parts_are_no_longer_resident() {
        const BYTES: usize = 8 << 20;
        let path = std::env::temp_dir().join(format!("sysinfer-release-{}", std::process::id()));
        std::fs::write(&path, vec![7; BYTES]).unwrap();
        let map = FileMap::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let read_all = || map.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        let resident = || resident_bytes(map.as_ptr().addr());
        assert_eq!(read_all(), 7 * BYTES as u64);
        assert_eq!(resident(), BYTES);
        map.release(&map[BYTES / 4..BYTES / 2]);
        assert_eq!(resident(), BYTES - BYTES / 4, "a quarter was released");
        map.release(&[7; 4096]);
        map.release(&map[..0]);
        assert_eq!(resident(), BYTES - BYTES / 4, "nothing of this map");
        map.release_with_cache(&map);
        assert_eq!(resident(), 0);
        assert_eq!(read_all(), 7 * BYTES as u64, "it can be read again");
    }

    #[test]
    fn a_file_that_was_cut_is_named() {
        let path = std::env::temp_dir().join(format!("sysinfer-cut-{}", std::process::id()));
        std::fs::write(&path, vec![7; 10_000]).unwrap();
        let map = FileMap::open(&path).unwrap();
        map.require_whole().unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(20_000).unwrap();
        map.require_whole().expect("longer does no harm");
        file.set_len(5_000).unwrap();
        let message = map.require_whole().unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(
            message.contains("from 10000 to 5000") && message.contains(path.to_str().unwrap()),
            "{message}"
        );
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
