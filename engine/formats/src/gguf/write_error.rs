//! What can go wrong when a GGUF file is written.

use thiserror::Error;

use super::error::GgufError;

/// Why a GGUF file could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GgufWriteError {
    /// The destination failed.
    #[error("writing the GGUF file failed: {0}; check the free space and the permissions")]
    Io(#[from] std::io::Error),
    /// What was declared is not a file that could be read back.
    #[error("this GGUF file could not be read back: {0}")]
    Invalid(#[from] GgufError),
    /// The version asked for is not one that is written.
    #[error("GGUF version {0} cannot be written, only 2 and 3 can")]
    UnsupportedVersion(u32),
    /// A key or tensor name cannot be written.
    #[error("the name {name} has {length} bytes; 1 to 65535 are allowed")]
    BadName {
        /// The name, quoted.
        name: String,
        /// Its length in bytes.
        length: usize,
    },
    /// A key or a tensor was declared twice.
    #[error("{name} is declared twice; each key and each tensor may be declared once")]
    DuplicateName {
        /// The name, quoted.
        name: String,
    },
    /// `general.alignment` was given as metadata.
    #[error("general.alignment is set with GgufWriter::alignment, not as metadata")]
    AlignmentAsMetadata,
    /// Data came for another tensor than the next declared one.
    #[error(
        "data for tensor {found} came where {wanted} was declared; write tensors in the order of their declaration"
    )]
    OutOfOrder {
        /// The tensor whose data came, quoted.
        found: String,
        /// The tensor whose turn it is, quoted, or that all are complete.
        wanted: String,
    },
    /// More bytes came for a tensor than its type and shape take.
    #[error("tensor {name} takes {size} bytes, but {given} were given")]
    TooMuchData {
        /// The tensor, quoted.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// Bytes given so far, the refused ones included.
        given: u64,
    },
    /// The file was finished before all declared data was written.
    #[error(
        "tensor {name} is incomplete: {written} of {size} bytes were written; write all tensors before finishing"
    )]
    Incomplete {
        /// The first incomplete tensor, quoted.
        name: String,
        /// Bytes written of it.
        written: u64,
        /// Its size in bytes.
        size: u64,
    },
}
