//! One run at a time in a report's folder: two would write over each other's samples.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The file that is locked. It stays when a run ends: were it removed, a run that has opened it
/// already could lock a file that the next one does not see.
const FILE_NAME: &str = ".lock";

/// A folder that no other run writes to until this is dropped, or the process ends in any way.
#[derive(Debug)]
pub struct FolderLock {
    path: PathBuf,
    _file: File,
}

impl FolderLock {
    /// Takes the folder, without waiting for it.
    ///
    /// # Errors
    /// Another run has it, or it is not writable.
    pub fn take(directory: &Path) -> anyhow::Result<Self> {
        match Self::try_take(directory)? {
            Some(lock) => Ok(lock),
            None => bail!(
                "another run writes to {}; wait for it, or give --report another folder",
                directory.display()
            ),
        }
    }

    /// As [`Self::take`]; `None` if another run has it.
    ///
    /// # Errors
    /// It is not writable.
    pub fn try_take(directory: &Path) -> anyhow::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join(FILE_NAME))
            .with_context(|| format!("cannot write to {}", directory.display()))?;
        // Some network file systems know no locks, each with an error of its own: a run there is as
        // good as it would be without.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Ok(None);
        }
        Ok(Some(Self {
            path: directory.into(),
            _file: file,
        }))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_by_one_run_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = FolderLock::take(folder.path()).expect("free");
        let refusal = FolderLock::take(folder.path()).expect_err("taken");
        let message = refusal.to_string();
        for words in [
            "another run writes to",
            "give --report another folder",
            &folder.path().display().to_string(),
        ] {
            assert!(message.contains(words), "{words}: {message}");
        }
        drop(first);
        FolderLock::take(folder.path()).expect("free again");
        let gone = folder.path().join("gone");
        assert!(FolderLock::take(&gone).is_err(), "there is no such folder");
    }
}
