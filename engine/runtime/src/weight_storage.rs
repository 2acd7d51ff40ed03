//! Where a model's weights are while it runs: packed in memory, or plain in the map of its file.
//!
//! Packed weights are read at the speed of memory and take as much of it as the file has bytes. Mapped
//! weights take only what the system caches of the file, which it takes back when it wants to; every
//! step packs them anew, a few row groups at a time. Results are the same to the bit.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where weights are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightStorage {
    /// Left to whoever knows the host's memory, see [`ModelFile::storage`](crate::ModelFile::storage); an engine that is
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for one in WeightStorage::ALL {
            assert_eq!(one.name().parse(), Ok(one));
        }
        let message = "mmap".parse::<WeightStorage>().expect_err("no storage");
        assert!(message.to_string().contains("mmap"), "{message}");
    }
}
