//! The GGUF container, versions 2 and 3, little-endian, over a byte slice.
//!
//! ```text
//! magic "GGUF" | version u32 | tensor count u64 | key count u64      header
//! (key, type u32, value) x key count                                 metadata.rs, value.rs, value_type.rs
//! (name, dimensions, type u32, offset u64) x tensor count            directory.rs
//! zeros up to the alignment                                          `general.alignment`, else 32
//! tensor data, each at its offset from here                          borrowed, never copied
//! ```
//!
//! Specification: `docs/gguf.md` of ggml. A file is input from a stranger: every length is checked
//! against the bytes that remain before anything is allocated, all sums are checked, and whatever
//! parses is consistent, so that users of [`Gguf`] need no checks of their own.

mod cursor;
mod directory;
mod error;
mod foreign;
mod limits;
mod metadata;
mod names;
mod owned_value;
mod value;
mod value_type;
mod write_error;
mod writer;

pub use directory::Tensor;
pub use error::GgufError;
pub use metadata::Metadata;
pub use owned_value::{OwnedArray, OwnedValue};
pub use value::{Array, ArrayIter, Value};
pub use value_type::ValueType;
pub use write_error::GgufWriteError;
pub use writer::{GgufWriter, TensorDataWriter};

use cursor::{CountLimit, Cursor};
use directory::Directory;
use error::quote;
use limits::{
    ALIGNMENT_KEY, DEFAULT_ALIGNMENT_BYTES, MAGIC, MAX_ENTRIES, NEWEST_VERSION, OLDEST_VERSION,
    is_valid_alignment,
};

/// A parsed GGUF file. Borrows the bytes it was parsed from.
#[derive(Debug, Clone)]
pub struct Gguf<'a> {
    version: u32,
    alignment_bytes: u64,
    metadata: Metadata<'a>,
    directory: Directory<'a>,
}

impl<'a> Gguf<'a> {
    /// Reads header, metadata and tensor directory of the file in `bytes`.
    ///
    /// # Errors
    /// [`GgufError`] names the field, where it stands, what was found and what is allowed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, GgufError> {
        let mut cursor = Cursor::new(bytes);
        let version = read_version(&mut cursor)?;
        let tensor_limit = CountLimit {
            most: MAX_ENTRIES,
            smallest_entry_bytes: directory::MIN_ENTRY_BYTES,
        };
        let metadata_limit = CountLimit {
            most: MAX_ENTRIES,
            smallest_entry_bytes: metadata::MIN_ENTRY_BYTES,
        };
        let tensor_count = cursor.count(tensor_limit, format_args!("the tensor count"))?;
        let key_count = cursor.count(metadata_limit, format_args!("the metadata key count"))?;
        let metadata = Metadata::parse(&mut cursor, key_count)?;
        let alignment_bytes = alignment_of(&metadata)?;
        let directory = Directory::parse(&mut cursor, tensor_count, alignment_bytes)?;
        Ok(Self {
            version,
            alignment_bytes,
            metadata,
            directory,
        })
    }

    /// Version of the container, 2 or 3. They differ only in that 3 may be big-endian.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Every tensor starts at a multiple of this many bytes from the start of the data section.
    pub fn alignment(&self) -> u64 {
        self.alignment_bytes
    }

    /// The keys and values before the tensors.
    pub fn metadata(&self) -> &Metadata<'a> {
        &self.metadata
    }

    /// The tensors in the order of the file.
    pub fn tensors(&self) -> &[Tensor<'a>] {
        self.directory.tensors()
    }

    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor<'a>> {
        self.directory.tensor(name)
    }

    /// The tensor of this name.
    ///
    /// # Errors
    /// [`GgufError::MissingTensor`] when there is none.
    pub fn require(&self, name: &str) -> Result<&Tensor<'a>, GgufError> {
        self.tensor(name).ok_or_else(|| GgufError::MissingTensor {
            name: quote(name).to_string(),
        })
    }
}

fn read_version(cursor: &mut Cursor<'_>) -> Result<u32, GgufError> {
    let file = cursor.rest();
    if file.is_empty() {
        return Err(GgufError::Empty);
    }
    if cursor.chunk::<4>(format_args!("the magic"))? != MAGIC {
        return Err(foreign::refusal(file));
    }
    let version = cursor.u32(format_args!("the version"))?;
    if (OLDEST_VERSION..=NEWEST_VERSION).contains(&version) {
        return Ok(version);
    }
    // Small numbers in the other byte order have an empty lower half.
    if version != 0 && version & 0xffff == 0 {
        return Err(GgufError::BigEndian {
            version: version.swap_bytes(),
        });
    }
    Err(GgufError::UnsupportedVersion { found: version })
}

fn alignment_of(metadata: &Metadata<'_>) -> Result<u64, GgufError> {
    let Some(bytes) = metadata.unsigned(ALIGNMENT_KEY)? else {
        return Ok(DEFAULT_ALIGNMENT_BYTES);
    };
    if is_valid_alignment(bytes) {
        Ok(bytes)
    } else {
        Err(GgufError::BadAlignment { found: bytes })
    }
}
