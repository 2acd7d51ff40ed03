//! Profiles as files: bounded reads, atomic writes.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::error::ProfileError;
use crate::parse::LIMIT_BYTES;
use crate::schema::Profile;

impl Profile {
    /// Reads and checks a profile file.
    ///
    /// # Errors
    /// Unreadable, larger than 128 KiB, or anything that [`Profile::parse`] refuses.
    pub fn load(path: &Path) -> Result<Profile, ProfileError> {
        let failed = |source| ProfileError::Read {
            path: path.into(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let mut text = String::new();
        // One byte more than the limit tells a file of exactly the limit from a longer one,
        // and bounds reads from devices and pipes that never end.
        file.take(LIMIT_BYTES + 1)
            .read_to_string(&mut text)
            .map_err(failed)?;
        Profile::parse(&text, &path.display().to_string())
    }
}

/// Writes `profile` so that `path` holds either its old content or all of the new one.
///
/// # Errors
/// The directory is not writable, or the disk is full; the temporary file is removed then.
pub fn save_atomic(path: &Path, profile: &Profile) -> Result<(), ProfileError> {
    let text = profile.to_toml()?;
    let partial = partial_name(path);
    let written = write_synced(&partial, &text).and_then(|()| std::fs::rename(&partial, path));
    written.map_err(|source| {
        // The write has failed already; a leftover that cannot be removed adds nothing to that.
        let _ = std::fs::remove_file(&partial);
        ProfileError::Write {
            path: path.into(),
            source,
        }
    })
}

/// A neighbour of `path` (same directory, so that the rename stays on one file system).
fn partial_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.partial", std::process::id()));
    path.with_file_name(name)
}

fn write_synced(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
