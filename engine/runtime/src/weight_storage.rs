//! Where a model's weights are while it runs: packed in memory, or plain in the map of its file.
//!
//! Packed weights are read at the speed of memory and take as much of it as the file has bytes. Mapped
//! weights take only what the system caches of the file, which it takes back when it wants to; every
//! step packs them anew, a few row groups at a time. Results are the same to the bit.

use std::fmt::{self, Display, Formatter};
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::files::ModelFiles;
use crate::model::source::packed_bytes;

/// Where weights are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightStorage {
    /// Left to whoever knows the host's memory, see [`WeightStorage::decided`]; an engine that is
    /// handed this packs.
    #[default]
    Auto,
    /// Packed into memory of their own when the model is opened.
    Packed,
    /// In the file's map. Weights that are widened to f32 first are packed all the same.
    Mapped,
}

impl WeightStorage {
    /// All of them, the default first.
    pub const ALL: [WeightStorage; 3] = [
        WeightStorage::Auto,
        WeightStorage::Packed,
        WeightStorage::Mapped,
    ];

    /// The name in profiles and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            WeightStorage::Auto => "auto",
            WeightStorage::Packed => "packed",
            WeightStorage::Mapped => "mapped",
        }
    }

    /// What `auto` comes to for a model file where `usable_bytes` of memory may be used: mapped if
    /// packed weights took more than half of that, and the reason why in one line. A file that cannot
    /// be read is packed: opening it says what is wrong with it.
    pub fn decided(
        self,
        path: &Path,
        usable_bytes: Option<u64>,
    ) -> (WeightStorage, Option<String>) {
        if self != WeightStorage::Auto {
            return (self, None);
        }
        let files = ModelFiles::open(path).ok();
        let packed = files.and_then(|files| Some(packed_bytes(&files.stored().ok()?)));
        match (packed, usable_bytes) {
            (Some(packed), Some(usable)) => decide(packed, usable),
            _ => (WeightStorage::Packed, None),
        }
    }
}

impl Display for WeightStorage {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A word that names no storage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("weights are auto, packed or mapped, not \"{0}\"")]
pub struct UnknownWeightStorage(String);

impl FromStr for WeightStorage {
    type Err = UnknownWeightStorage;

    fn from_str(name: &str) -> Result<Self, UnknownWeightStorage> {
        let mut all = WeightStorage::ALL.into_iter();
        all.find(|one| one.name() == name)
            .ok_or_else(|| UnknownWeightStorage(name.to_owned()))
    }
}

fn decide(packed_bytes: u64, usable_bytes: u64) -> (WeightStorage, Option<String>) {
    if packed_bytes <= usable_bytes / 2 {
        return (WeightStorage::Packed, None);
    }
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    let why = format!(
        "weights: mapped by auto, since packed they would take {:.1} GB of the {:.1} GB of memory that \
         may be used, which is more than half; packed would be faster where it fits",
        gigabytes(packed_bytes),
        gigabytes(usable_bytes)
    );
    (WeightStorage::Mapped, Some(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_half_of_memory_is_mapped_and_said() {
        assert_eq!(decide(4, 8), (WeightStorage::Packed, None));
        assert_eq!(decide(0, 0), (WeightStorage::Packed, None));
        let (storage, why) = decide(40_000_000_000, 64_000_000_000);
        assert_eq!(storage, WeightStorage::Mapped);
        let why = why.expect("a reason");
        assert!(why.contains("40.0 GB of the 64.0 GB"), "{why}");
        assert_eq!(decide(u64::MAX, u64::MAX).0, WeightStorage::Mapped);
    }

    #[test]
    fn what_was_asked_for_holds_and_unreadable_files_are_packed() {
        let nowhere = Path::new("/nonexistent/model.gguf");
        for asked in [WeightStorage::Packed, WeightStorage::Mapped] {
            assert_eq!(asked.decided(nowhere, Some(1)), (asked, None));
        }
        let decided = WeightStorage::Auto.decided(nowhere, Some(1));
        assert_eq!(decided, (WeightStorage::Packed, None));
    }

    #[test]
    fn names_are_read_back() {
        for one in WeightStorage::ALL {
            assert_eq!(one.name().parse(), Ok(one));
        }
        let message = "mmap".parse::<WeightStorage>().expect_err("no storage");
        assert!(message.to_string().contains("mmap"), "{message}");
    }
}
