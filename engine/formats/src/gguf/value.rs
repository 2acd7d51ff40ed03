//! Metadata values: thirteen types, scalars read out, strings and arrays borrowed from the file.

use super::array::Array;
use super::cursor::Cursor;
use super::error::{GgufError, Quoted, quote};

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

/// A metadata value. Strings are bytes: vocabularies hold pieces that are not UTF-8 on their own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Unsigned, 8 bits.
    U8(u8),
    /// Signed, 8 bits.
    I8(i8),
    /// Unsigned, 16 bits.
    U16(u16),
    /// Signed, 16 bits.
    I16(i16),
    /// Unsigned, 32 bits.
    U32(u32),
    /// Signed, 32 bits.
    I32(i32),
    /// Single precision.
    F32(f32),
    /// Truth value.
    Bool(bool),
    /// Text, by convention UTF-8.
    String(&'a [u8]),
    /// Values of one type.
    Array(Array<'a>),
    /// Unsigned, 64 bits.
    U64(u64),
    /// Signed, 64 bits.
    I64(i64),
    /// Double precision.
    F64(f64),
}

impl<'a> Value<'a> {
    /// The type of the value.
    pub fn kind(&self) -> ValueType {
        match self {
            Self::U8(_) => ValueType::U8,
            Self::I8(_) => ValueType::I8,
            Self::U16(_) => ValueType::U16,
            Self::I16(_) => ValueType::I16,
            Self::U32(_) => ValueType::U32,
            Self::I32(_) => ValueType::I32,
            Self::F32(_) => ValueType::F32,
            Self::Bool(_) => ValueType::Bool,
            Self::String(_) => ValueType::String,
            Self::Array(_) => ValueType::Array,
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }

    /// The value of any integer type, widened; `None` for other types.
    pub fn as_integer(&self) -> Option<i128> {
        match *self {
            Self::U8(value) => Some(value.into()),
            Self::I8(value) => Some(value.into()),
            Self::U16(value) => Some(value.into()),
            Self::I16(value) => Some(value.into()),
            Self::U32(value) => Some(value.into()),
            Self::I32(value) => Some(value.into()),
            Self::U64(value) => Some(value.into()),
            Self::I64(value) => Some(value.into()),
            _ => None,
        }
    }

    /// The value of either floating-point type, rounded to `f32`; `None` for other types.
    pub fn as_float(&self) -> Option<f32> {
        match *self {
            Self::F32(value) => Some(value),
            Self::F64(value) => Some(value as f32),
            _ => None,
        }
    }

    /// The type and, for numbers, the value, as messages show it.
    pub(super) fn describe(&self) -> String {
        let kind = self.kind().name();
        match self {
            Self::Array(array) => format!("an array of {} {}", array.len(), array.element().name()),
            Self::String(_) => format!("a {kind}"),
            Self::Bool(value) => format!("{kind} {value}"),
            Self::F32(value) => format!("{kind} {value}"),
            Self::F64(value) => format!("{kind} {value}"),
            _ => match self.as_integer() {
                Some(value) => format!("{kind} {value}"),
                None => kind.to_owned(),
            },
        }
    }

    /// Reads type and value of `key`.
    pub(super) fn parse(cursor: &mut Cursor<'a>, key: &str) -> Result<Self, GgufError> {
        match parse_type(cursor, format_args!("metadata key {}", quote(key)))? {
            ValueType::Array => Ok(Self::Array(Array::parse(cursor, key)?)),
            ValueType::String => {
                let field = format_args!("the value of metadata key {}", quote(key));
                Ok(Self::String(cursor.string(field)?))
            }
            kind => Self::parse_number(cursor, kind, key),
        }
    }

    fn parse_number(
        cursor: &mut Cursor<'a>,
        kind: ValueType,
        key: &str,
    ) -> Result<Self, GgufError> {
        let offset = cursor.offset();
        let size = kind.size_bytes().unwrap_or(0);
        let field = format_args!("the value of metadata key {}", quote(key));
        let bytes = cursor.take(size, field)?;
        if kind == ValueType::Bool {
            check_booleans(bytes, offset, quote(key))?;
        }
        match Self::decode(kind, bytes) {
            Some((value, _)) => Ok(value),
            None => Err(cursor.truncated(size, field)),
        }
    }

    /// The value at the front of `bytes` and what follows it; `None` when `bytes` is too short or
    /// `kind` is an array.
    pub(super) fn decode(kind: ValueType, bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        macro_rules! number {
            ($variant:ident, $number:ty) => {{
                let (raw, rest) = bytes.split_first_chunk()?;
                (Self::$variant(<$number>::from_le_bytes(*raw)), rest)
            }};
        }
        Some(match kind {
            ValueType::U8 => number!(U8, u8),
            ValueType::I8 => number!(I8, i8),
            ValueType::U16 => number!(U16, u16),
            ValueType::I16 => number!(I16, i16),
            ValueType::U32 => number!(U32, u32),
            ValueType::I32 => number!(I32, i32),
            ValueType::F32 => number!(F32, f32),
            ValueType::U64 => number!(U64, u64),
            ValueType::I64 => number!(I64, i64),
            ValueType::F64 => number!(F64, f64),
            ValueType::Bool => {
                let (raw, rest) = bytes.split_first()?;
                (Self::Bool(*raw != 0), rest)
            }
            ValueType::String => {
                let (raw, rest) = bytes.split_first_chunk()?;
                let length = usize::try_from(u64::from_le_bytes(*raw)).ok()?;
                let (text, rest) = rest.split_at_checked(length)?;
                (Self::String(text), rest)
            }
            ValueType::Array => return None,
        })
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
