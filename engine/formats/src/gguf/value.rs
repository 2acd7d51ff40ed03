//! Metadata values: scalars read out, strings and arrays (vocabularies, scores, merges) borrowed from the
//! file, checked once and read on demand.

use super::cursor::{CountLimit, Cursor};
use super::error::{GgufError, quote};
use super::value_type::{ValueType, check_booleans, parse_type};

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

/// Values of one type, none of them an array. Its bytes were checked when the file was parsed, so
/// iteration cannot fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Array<'a> {
    element: ValueType,
    length: usize,
    bytes: &'a [u8],
}

impl<'a> Array<'a> {
    /// Type of the elements; never [`ValueType::Array`].
    pub fn element(&self) -> ValueType {
        self.element
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The elements as they stand in the file.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The elements in order.
    pub fn iter(&self) -> ArrayIter<'a> {
        ArrayIter {
            element: self.element,
            remaining: self.length,
            bytes: self.bytes,
        }
    }

    /// Reads element type, length and elements; checks what iteration relies on.
    pub(super) fn parse(cursor: &mut Cursor<'a>, key: &str) -> Result<Self, GgufError> {
        let offset = cursor.offset();
        let key = quote(key);
        let element = parse_type(cursor, format_args!("the array of metadata key {key}"))?;
        if element == ValueType::Array {
            let key = key.to_string();
            return Err(GgufError::NestedArray { key, offset });
        }
        let limit = CountLimit {
            most: isize::MAX as u64,
            // A string takes at least the eight bytes of its length.
            smallest_entry_bytes: element.size_bytes().unwrap_or(8),
        };
        let length = cursor.count(
            limit,
            format_args!("the array length of metadata key {key}"),
        )?;
        let start = cursor.offset();
        match element.size_bytes() {
            Some(size) => {
                let field = format_args!("the array of metadata key {key}");
                cursor.take(length.saturating_mul(size), field)?;
            }
            None => {
                for index in 0..length {
                    cursor.string(format_args!("element {index} of metadata key {key}"))?;
                }
            }
        }
        let bytes = cursor.since(start);
        if element == ValueType::Bool {
            check_booleans(bytes, start, key)?;
        }
        Ok(Self {
            element,
            length: length as usize,
            bytes,
        })
    }
}

impl<'a> IntoIterator for &Array<'a> {
    type Item = Value<'a>;
    type IntoIter = ArrayIter<'a>;

    fn into_iter(self) -> ArrayIter<'a> {
        self.iter()
    }
}

/// The elements of an [`Array`] in order.
#[derive(Debug, Clone)]
pub struct ArrayIter<'a> {
    element: ValueType,
    remaining: usize,
    bytes: &'a [u8],
}

impl<'a> Iterator for ArrayIter<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.remaining == 0 {
            return None;
        }
        let (value, rest) = Value::decode(self.element, self.bytes)?;
        self.remaining -= 1;
        self.bytes = rest;
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for ArrayIter<'_> {}
