//! The thirteen types of metadata values, and what is checked of a value before its type is known to fit.

use super::cursor::Cursor;
use super::error::{GgufError, Quoted};

/// The type of a metadata value (`gguf_metadata_value_type`). The discriminant stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum ValueType {
    /// Unsigned, 8 bits.
    U8 = 0,
    /// Signed, 8 bits.
    I8 = 1,
    /// Unsigned, 16 bits.
    U16 = 2,
    /// Signed, 16 bits.
    I16 = 3,
    /// Unsigned, 32 bits.
    U32 = 4,
    /// Signed, 32 bits.
    I32 = 5,
    /// Single precision.
    F32 = 6,
    /// One byte, 0 or 1.
    Bool = 7,
    /// Length in bytes as `u64`, then the bytes.
    String = 8,
    /// Element type as `u32`, length as `u64`, then the elements.
    Array = 9,
    /// Unsigned, 64 bits.
    U64 = 10,
    /// Signed, 64 bits.
    I64 = 11,
    /// Double precision.
    F64 = 12,
}

impl ValueType {
    /// In the order of their numbers, which start at 0 and have no gaps.
    const ALL: [Self; 13] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::Bool,
        Self::String,
        Self::Array,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    /// The type with this number.
    pub fn from_id(id: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(id).ok()?).copied()
    }

    /// The number that stands for this type in a file.
    pub fn id(self) -> u32 {
        self as u32
    }

    /// Its name in messages: `"u32"`, `"string"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::Bool => "bool",
            Self::String => "string",
            Self::Array => "array",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F64 => "f64",
        }
    }

    /// Bytes of a value, `None` for strings and arrays, whose length is in the file.
    pub fn size_bytes(self) -> Option<u64> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::String | Self::Array => None,
        }
    }
}

/// The number of a value type, for the field that has it.
pub(super) fn parse_type(
    cursor: &mut Cursor<'_>,
    field: std::fmt::Arguments<'_>,
) -> Result<ValueType, GgufError> {
    let offset = cursor.offset();
    let found = cursor.u32(format_args!("the type of {field}"))?;
    ValueType::from_id(found).ok_or_else(|| GgufError::UnknownValueType {
        field: field.to_string(),
        offset,
        found,
    })
}

/// Refuses bytes other than 0 and 1, as the specification asks: they mean that reader or writer
/// lost its place.
pub(super) fn check_booleans(bytes: &[u8], offset: u64, key: Quoted<'_>) -> Result<(), GgufError> {
    match bytes.iter().position(|&byte| byte > 1) {
        None => Ok(()),
        Some(index) => Err(GgufError::BadBoolean {
            key: key.to_string(),
            offset: offset + index as u64,
            found: bytes[index],
        }),
    }
}
