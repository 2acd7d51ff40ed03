//! What can be wrong with a GGUF file, said so that its owner can act on it.
//!
//! Names come from the file, so they are escaped and cut before they enter a message.

use std::fmt;

use thiserror::Error;

/// Characters of a name that a message shows before it is cut.
const SHOWN_CHARACTERS: usize = 80;

/// Why a GGUF file was refused, or why a value could not be had from it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GgufError {
    /// There is nothing in the file.
    #[error("the file is empty: it was not written or not fetched; fetch it again")]
    Empty,
    /// The file is of another kind, which is known.
    #[error("not a GGUF file but {what}; {remedy}")]
    Foreign {
        /// What it is.
        what: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The first four bytes are not `GGUF`.
    #[error(
        "not a GGUF file: it starts with \"{}\" where \"GGUF\" is expected; convert the model to GGUF first",
        found.escape_ascii()
    )]
    BadMagic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// The version reads as a small number in the other byte order.
    #[error(
        "this GGUF file (version {version}) is big-endian; only little-endian files are read: convert it in place with gguf-convert-endian FILE little (Python package gguf)"
    )]
    BigEndian {
        /// The version in the file's own byte order.
        version: u32,
    },
    /// Neither version 2 nor 3.
    #[error(
        "GGUF version {found} at byte 4 is not supported, only 2 and 3 are; fetch a current file of the model, or convert the original again with llama.cpp's convert_hf_to_gguf.py"
    )]
    UnsupportedVersion {
        /// The version in the file.
        found: u32,
    },
    /// The file ends inside a field.
    #[error(
        "the file ends inside {field} at byte {offset}: {needed} bytes needed, {remaining} left; the file is truncated or damaged, fetch it again"
    )]
    Truncated {
        /// What was being read.
        field: String,
        /// Where it starts, in bytes from the start of the file.
        offset: u64,
        /// Bytes that it takes.
        needed: u64,
        /// Bytes that the file still has from there.
        remaining: u64,
    },
    /// A count or length cannot be true for a file of this size.
    #[error(
        "{field} at byte {offset} is {found}, but at most {allowed} can be here; the file is truncated or damaged, fetch it again"
    )]
    CountTooLarge {
        /// What was being read.
        field: String,
        /// Where the count stands, in bytes from the start of the file.
        offset: u64,
        /// The count in the file.
        found: u64,
        /// The largest count that the limits and the rest of the file allow.
        allowed: u64,
    },
    /// A key, a tensor name or a text value is not UTF-8.
    #[error("{field} is not valid UTF-8; the file is damaged or its converter is at fault")]
    InvalidUtf8 {
        /// What was being read, and where.
        field: String,
    },
    /// A key or tensor name has no characters.
    #[error("{field} at byte {offset} is empty; a name is needed to find it")]
    EmptyName {
        /// What was being read.
        field: String,
        /// Where its length stands, in bytes from the start of the file.
        offset: u64,
    },
    /// The same metadata key stands twice.
    #[error(
        "metadata key {key} at byte {offset} stands in the file a second time; each key may stand once"
    )]
    DuplicateKey {
        /// The key, quoted.
        key: String,
        /// Where the second one starts, in bytes from the start of the file.
        offset: u64,
    },
    /// The number of a metadata type is not one of GGUF's.
    #[error("{field} at byte {offset} has value type {found}; GGUF knows 0 to 12")]
    UnknownValueType {
        /// What was being read.
        field: String,
        /// Where the number stands, in bytes from the start of the file.
        offset: u64,
        /// The number in the file.
        found: u32,
    },
    /// An array of arrays.
    #[error(
        "metadata key {key} at byte {offset} is an array of arrays; only arrays of numbers, booleans and strings are read"
    )]
    NestedArray {
        /// The key, quoted.
        key: String,
        /// Where the element type stands, in bytes from the start of the file.
        offset: u64,
    },
    /// A boolean that is neither 0 nor 1.
    #[error(
        "metadata key {key} holds the boolean {found} at byte {offset}; only 0 and 1 are allowed"
    )]
    BadBoolean {
        /// The key, quoted.
        key: String,
        /// Where the byte stands, in bytes from the start of the file.
        offset: u64,
        /// The byte.
        found: u8,
    },
    /// A metadata value has another type than its user needs.
    #[error("metadata key {key} should be {wanted}, but is {found}; convert the model again")]
    WrongType {
        /// The key, quoted.
        key: String,
        /// The type that was asked for.
        wanted: &'static str,
        /// The type, and for numbers the value, in the file.
        found: String,
    },
    /// A metadata value is a list where one value is read.
    #[error(
        "metadata key {key} is {found} where {wanted} is read: one value for the whole model, not one per \
         layer; models whose layers differ in this are not run here, choose another one"
    )]
    ListForOne {
        /// The key, quoted.
        key: String,
        /// The type that was asked for.
        wanted: &'static str,
        /// Number and type of the elements in the file.
        found: String,
    },
    /// A metadata key that is needed is not there.
    #[error("metadata key {key} ({wanted}) is missing; convert the model with a current converter")]
    MissingKey {
        /// The key, quoted.
        key: String,
        /// The type that it should have.
        wanted: &'static str,
    },
    /// `general.alignment` is not usable.
    #[error("general.alignment is {found}; it must be a power of two from 8 to 2147483648")]
    BadAlignment {
        /// The value in the file.
        found: u64,
    },
    /// The same tensor name stands twice.
    #[error(
        "tensor {name} at byte {offset} stands in the file a second time; each name may stand once"
    )]
    DuplicateTensor {
        /// The name, quoted.
        name: String,
        /// Where the second entry starts, in bytes from the start of the file.
        offset: u64,
    },
    /// No dimensions, or more than four.
    #[error("tensor {name} has {found} dimensions at byte {offset}; 1 to 4 are allowed")]
    BadDimensionCount {
        /// The name, quoted.
        name: String,
        /// Where the count stands, in bytes from the start of the file.
        offset: u64,
        /// The count in the file.
        found: u32,
    },
    /// A dimension of length zero.
    #[error("tensor {name} has shape {shape:?}; every dimension must be at least 1")]
    EmptyDimension {
        /// The name, quoted.
        name: String,
        /// The shape in the file, contiguous dimension first.
        shape: Vec<u64>,
    },
    /// The size in bytes does not fit in 64 bits.
    #[error(
        "tensor {name} of type {kind} and shape {shape:?} has more bytes than can be counted; the file is damaged"
    )]
    TensorTooLarge {
        /// The name, quoted.
        name: String,
        /// The storage type.
        kind: &'static str,
        /// The shape in the file, contiguous dimension first.
        shape: Vec<u64>,
    },
    /// A row is not a whole number of blocks.
    #[error(
        "tensor {name} has rows of {columns} elements; type {kind} needs a multiple of {block_elements}"
    )]
    PartialBlock {
        /// The name, quoted.
        name: String,
        /// The storage type.
        kind: &'static str,
        /// Elements of a row.
        columns: u64,
        /// Elements of a block.
        block_elements: usize,
    },
    /// The number of a tensor type is not one of ggml's.
    #[error(
        "tensor {name} has type number {id} at byte {offset}, which ggml does not have{}; fetch another file of the model (Q4_0 in place of Q4_0_4_4 and its like), or \
         convert the original again with llama.cpp's convert_hf_to_gguf.py",
        removed(*id)
    )]
    UnknownTensorType {
        /// The name, quoted.
        name: String,
        /// The number in the file.
        id: u32,
        /// Where it stands, in bytes from the start of the file.
        offset: u64,
    },
    /// A tensor does not start at a multiple of the alignment.
    #[error(
        "tensor {name} starts at byte {offset} of the data section; multiples of the alignment {alignment} are allowed"
    )]
    MisalignedTensor {
        /// The name, quoted.
        name: String,
        /// Its offset in the data section.
        offset: u64,
        /// The file's alignment.
        alignment: u64,
    },
    /// A tensor reaches beyond the end of the file.
    #[error(
        "tensor {name} takes {size} bytes from byte {offset} of the data section, which has {available}: \
         {missing} bytes are missing at the end of the file; its download was cut short, fetch it again"
    )]
    TensorOutOfRange {
        /// The name, quoted.
        name: String,
        /// Its offset in the data section.
        offset: u64,
        /// Its size in bytes.
        size: u64,
        /// Bytes of the data section.
        available: u64,
        /// Bytes that all tensors together would need beyond these.
        missing: u64,
    },
    /// Two tensors share bytes.
    #[error(
        "tensors {first} and {second} overlap at byte {offset} of the data section; each needs its own bytes"
    )]
    OverlappingTensors {
        /// The name of the one that starts first, quoted.
        first: String,
        /// The name of the other, quoted.
        second: String,
        /// Where the second one starts in the data section.
        offset: u64,
    },
    /// A tensor that is needed is not there.
    #[error(
        "tensor {name} is missing from the file; the model is incomplete or of another architecture than it says"
    )]
    MissingTensor {
        /// The name, quoted.
        name: String,
    },
}

/// The name of a type that ggml had once, in brackets.
fn removed(id: u32) -> &'static str {
    match id {
        4 => " any more (Q4_2)",
        5 => " any more (Q4_3)",
        31 => " any more (Q4_0_4_4)",
        32 => " any more (Q4_0_4_8)",
        33 => " any more (Q4_0_8_8)",
        36 => " any more (IQ4_NL_4_4)",
        37 => " any more (IQ4_NL_4_8)",
        38 => " any more (IQ4_NL_8_8)",
        _ => "",
    }
}

/// A name from a file, safe to print: in quotes, escaped, cut after 80 characters.
pub(super) fn quote(name: &str) -> Quoted<'_> {
    Quoted(name)
}

/// See [`quote`].
#[derive(Clone, Copy)]
pub(super) struct Quoted<'n>(&'n str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = match self.0.char_indices().nth(SHOWN_CHARACTERS) {
            Some((end, _)) => &self.0[..end],
            None => self.0,
        };
        let cut = if shown.len() < self.0.len() {
            "..."
        } else {
            ""
        };
        write!(formatter, "'{}{cut}'", shown.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_cut() {
        assert_eq!(quote("blk.0").to_string(), "'blk.0'");
        assert_eq!(quote("a\n\u{1b}[2J").to_string(), "'a\\n\\u{1b}[2J'");
        let long = quote(&"\u{e9}".repeat(5000)).to_string();
        assert_eq!(long, format!("'{}...'", "\u{e9}".repeat(80)));
    }
}
