//! Writing GGUF files: declare everything, write the header, then stream the data.
//!
//! The data of a tensor may come in parts, so a model of any size is written without being held.

use std::collections::HashSet;
use std::io::Write;

use super::directory::{MAX_DIMENSIONS, Tensor, tensor_bytes};
use super::error::{GgufError, quote};
use super::limits::{
    ALIGNMENT_KEY, DEFAULT_ALIGNMENT_BYTES, MAGIC, MAX_NAME_BYTES, NEWEST_VERSION, OLDEST_VERSION,
    is_valid_alignment,
};
use super::owned_value::{OwnedValue, encode_string};
use super::write_error::GgufWriteError;
use crate::tensor_type::TensorType;

/// Declares a GGUF file. What it holds is checked by [`Self::write_header`].
#[derive(Debug, Clone)]
pub struct GgufWriter {
    version: u32,
    alignment_bytes: u64,
    metadata: Vec<(String, OwnedValue)>,
    tensors: Vec<(String, TensorType, Vec<u64>)>,
}

impl Default for GgufWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl GgufWriter {
    /// An empty file of version 3 with the default alignment of 32 bytes.
    pub fn new() -> Self {
        Self {
            version: NEWEST_VERSION,
            alignment_bytes: DEFAULT_ALIGNMENT_BYTES,
            metadata: Vec::new(),
            tensors: Vec::new(),
        }
    }

    /// Sets the version: 2 or 3.
    #[must_use]
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Sets the alignment of tensor data: a power of two from 8. Other values than 32 are written
    /// as `general.alignment`.
    #[must_use]
    pub fn alignment(mut self, bytes: u32) -> Self {
        self.alignment_bytes = bytes.into();
        self
    }

    /// Adds a key.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<OwnedValue>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// Declares a tensor; `shape` has the contiguous dimension first.
    #[must_use]
    pub fn tensor(mut self, name: impl Into<String>, kind: TensorType, shape: &[u64]) -> Self {
        self.tensors.push((name.into(), kind, shape.to_vec()));
        self
    }

    /// Writes everything but the tensor data, for which it returns the writer.
    ///
    /// # Errors
    /// [`GgufWriteError`] when `out` fails or when the declared file could not be read back: names
    /// empty, too long or given twice, impossible shapes, alignment or version.
    pub fn write_header<W: Write + ?Sized>(
        mut self,
        out: &mut W,
    ) -> Result<TensorDataWriter<'_, W>, GgufWriteError> {
        self.check()?;
        if self.alignment_bytes != DEFAULT_ALIGNMENT_BYTES {
            let alignment = OwnedValue::U32(self.alignment_bytes as u32);
            self.metadata.push((ALIGNMENT_KEY.to_owned(), alignment));
        }
        let mut header = self.encode_metadata();
        let pending = self.encode_directory(&mut header)?;
        out.write_all(&header)?;
        if !pending.is_empty() {
            write_padding(out, header.len() as u64, self.alignment_bytes)?;
        }
        Ok(TensorDataWriter {
            out,
            alignment_bytes: self.alignment_bytes,
            pending,
            current: 0,
            written_bytes: 0,
        })
    }

    /// Declares `tensors` after those declared before, writes the file to memory and returns it.
    /// For small files, such as tests use.
    ///
    /// # Errors
    /// As [`Self::write_header`] and [`TensorDataWriter::write`].
    pub fn write_to_vec(mut self, tensors: &[Tensor<'_>]) -> Result<Vec<u8>, GgufWriteError> {
        for tensor in tensors {
            self = self.tensor(tensor.name, tensor.kind, &tensor.shape);
        }
        let mut file = Vec::new();
        let mut data = self.write_header(&mut file)?;
        for tensor in tensors {
            data.write(tensor.name, tensor.data)?;
        }
        data.finish()?;
        Ok(file)
    }

    fn check(&self) -> Result<(), GgufWriteError> {
        if !(OLDEST_VERSION..=NEWEST_VERSION).contains(&self.version) {
            return Err(GgufWriteError::UnsupportedVersion(self.version));
        }
        if !is_valid_alignment(self.alignment_bytes) {
            let found = self.alignment_bytes;
            return Err(GgufError::BadAlignment { found }.into());
        }
        if self.metadata.iter().any(|(key, _)| key == ALIGNMENT_KEY) {
            return Err(GgufWriteError::AlignmentAsMetadata);
        }
        check_names(self.metadata.iter().map(|(key, _)| key))?;
        check_names(self.tensors.iter().map(|(name, ..)| name))
    }

    /// Magic, version, counts and metadata.
    fn encode_metadata(&self) -> Vec<u8> {
        let mut header = MAGIC.to_vec();
        header.extend(self.version.to_le_bytes());
        header.extend((self.tensors.len() as u64).to_le_bytes());
        header.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            encode_string(key.as_bytes(), &mut header);
            header.extend(value.kind().id().to_le_bytes());
            value.encode(&mut header);
        }
        header
    }

    /// Appends the tensor directory; answers names and sizes in the order of their data.
    fn encode_directory(
        &mut self,
        header: &mut Vec<u8>,
    ) -> Result<Vec<PendingTensor>, GgufWriteError> {
        let mut pending = Vec::new();
        let mut offset = 0u64;
        for (name, kind, shape) in self.tensors.drain(..) {
            let dimensions = u32::try_from(shape.len()).unwrap_or(u32::MAX);
            if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
                return Err(GgufError::BadDimensionCount {
                    name: quote(&name).to_string(),
                    offset: header.len() as u64,
                    found: dimensions,
                }
                .into());
            }
            let size_bytes = tensor_bytes(&name, kind, &shape)?;
            encode_string(name.as_bytes(), header);
            header.extend(dimensions.to_le_bytes());
            for length in &shape {
                header.extend(length.to_le_bytes());
            }
            header.extend(kind.id().to_le_bytes());
            header.extend(offset.to_le_bytes());
            let next = offset
                .checked_add(size_bytes)
                .and_then(|end| end.checked_next_multiple_of(self.alignment_bytes));
            offset = next.ok_or_else(|| GgufError::TensorTooLarge {
                name: quote(&name).to_string(),
                kind: kind.name(),
                shape,
            })?;
            pending.push(PendingTensor { name, size_bytes });
        }
        Ok(pending)
    }
}

/// Streams tensor data behind the header, in the order of declaration.
#[derive(Debug)]
pub struct TensorDataWriter<'w, W: Write + ?Sized> {
    out: &'w mut W,
    alignment_bytes: u64,
    pending: Vec<PendingTensor>,
    /// Index of the tensor whose turn it is.
    current: usize,
    /// Bytes written of it.
    written_bytes: u64,
}

/// A tensor whose place is fixed and whose data is to come.
#[derive(Debug)]
struct PendingTensor {
    name: String,
    size_bytes: u64,
}

impl<W: Write + ?Sized> TensorDataWriter<'_, W> {
    /// Appends `bytes` to the data of tensor `name`, all of it or a part. When it is complete, its
    /// padding is written and the next declared tensor has its turn.
    ///
    /// # Errors
    /// [`GgufWriteError`] when it is not this tensor's turn, when the bytes are more than it takes,
    /// or when the destination fails.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), GgufWriteError> {
        let current = self.pending.get(self.current);
        let Some(tensor) = current.filter(|tensor| tensor.name == name) else {
            return Err(GgufWriteError::OutOfOrder {
                found: quote(name).to_string(),
                wanted: current.map_or("no further tensor".to_owned(), |tensor| {
                    quote(&tensor.name).to_string()
                }),
            });
        };
        let given = self.written_bytes.saturating_add(bytes.len() as u64);
        if given > tensor.size_bytes {
            return Err(GgufWriteError::TooMuchData {
                name: quote(name).to_string(),
                size: tensor.size_bytes,
                given,
            });
        }
        self.out.write_all(bytes)?;
        self.written_bytes = given;
        if given == tensor.size_bytes {
            write_padding(self.out, given, self.alignment_bytes)?;
            self.current += 1;
            self.written_bytes = 0;
        }
        Ok(())
    }

    /// Checks that every declared tensor is complete and flushes the destination.
    ///
    /// # Errors
    /// [`GgufWriteError`] when one is not, or when the destination fails.
    pub fn finish(self) -> Result<(), GgufWriteError> {
        if let Some(tensor) = self.pending.get(self.current) {
            return Err(GgufWriteError::Incomplete {
                name: quote(&tensor.name).to_string(),
                written: self.written_bytes,
                size: tensor.size_bytes,
            });
        }
        self.out.flush()?;
        Ok(())
    }
}

/// Writes zeros from `size_bytes` to the next multiple of the alignment.
fn write_padding<W: Write + ?Sized>(
    out: &mut W,
    size_bytes: u64,
    alignment_bytes: u64,
) -> std::io::Result<()> {
    const ZEROS: [u8; 256] = [0; 256];
    let mut missing = size_bytes.next_multiple_of(alignment_bytes) - size_bytes;
    while missing > 0 {
        let part = missing.min(ZEROS.len() as u64) as usize;
        out.write_all(&ZEROS[..part])?;
        missing -= part as u64;
    }
    Ok(())
}

fn check_names<'n>(names: impl Iterator<Item = &'n String>) -> Result<(), GgufWriteError> {
    let mut seen = HashSet::new();
    for name in names {
        if name.is_empty() || name.len() as u64 > MAX_NAME_BYTES {
            return Err(GgufWriteError::BadName {
                name: quote(name).to_string(),
                length: name.len(),
            });
        }
        if !seen.insert(name) {
            return Err(GgufWriteError::DuplicateName {
                name: quote(name).to_string(),
            });
        }
    }
    Ok(())
}
