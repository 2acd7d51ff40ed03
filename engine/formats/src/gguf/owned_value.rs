//! Metadata values to be written: the owned twins of [`Value`], made from plain Rust values.

use super::value::{Array, Value};
use super::value_type::ValueType;

/// A metadata value for [`super::GgufWriter`].
#[derive(Debug, Clone, PartialEq)]
pub enum OwnedValue {
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
    String(Vec<u8>),
    /// Values of one type.
    Array(OwnedArray),
    /// Unsigned, 64 bits.
    U64(u64),
    /// Signed, 64 bits.
    I64(i64),
    /// Double precision.
    F64(f64),
}

impl OwnedValue {
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

    /// Appends the value as it stands in a file, after its type.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::U8(value) => out.extend(value.to_le_bytes()),
            Self::I8(value) => out.extend(value.to_le_bytes()),
            Self::U16(value) => out.extend(value.to_le_bytes()),
            Self::I16(value) => out.extend(value.to_le_bytes()),
            Self::U32(value) => out.extend(value.to_le_bytes()),
            Self::I32(value) => out.extend(value.to_le_bytes()),
            Self::F32(value) => out.extend(value.to_le_bytes()),
            Self::Bool(value) => out.push(u8::from(*value)),
            Self::String(bytes) => encode_string(bytes, out),
            Self::U64(value) => out.extend(value.to_le_bytes()),
            Self::I64(value) => out.extend(value.to_le_bytes()),
            Self::F64(value) => out.extend(value.to_le_bytes()),
            Self::Array(array) => {
                out.extend(array.element.id().to_le_bytes());
                out.extend((array.length as u64).to_le_bytes());
                out.extend_from_slice(&array.bytes);
            }
        }
    }
}

/// An array of numbers, booleans or strings, made with `collect` or from a parsed [`Array`].
#[derive(Debug, Clone, PartialEq)]
pub struct OwnedArray {
    element: ValueType,
    length: usize,
    /// The elements as they stand in a file.
    bytes: Vec<u8>,
}

/// Appends a string: its length as a `u64`, then its bytes.
pub(super) fn encode_string(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Scalars and arrays of a Rust type that has its own GGUF type.
macro_rules! from_scalars {
    ($($variant:ident: $scalar:ty;)+) => {
        $(
            impl From<$scalar> for OwnedValue {
                fn from(value: $scalar) -> Self {
                    Self::$variant(value)
                }
            }

            impl FromIterator<$scalar> for OwnedArray {
                fn from_iter<I: IntoIterator<Item = $scalar>>(values: I) -> Self {
                    collect(ValueType::$variant, values, |&value, out| {
                        OwnedValue::$variant(value).encode(out);
                    })
                }
            }
        )+
    };
}

from_scalars! {
    U8: u8;
    I8: i8;
    U16: u16;
    I16: i16;
    U32: u32;
    I32: i32;
    U64: u64;
    I64: i64;
    F32: f32;
    F64: f64;
    Bool: bool;
}

/// Arrays of strings, from anything that holds their bytes.
macro_rules! from_strings {
    ($($string:ty),+) => {
        $(
            impl<'s> FromIterator<$string> for OwnedArray {
                fn from_iter<I: IntoIterator<Item = $string>>(values: I) -> Self {
                    collect(ValueType::String, values, |value, out| {
                        encode_string(value.as_ref(), out);
                    })
                }
            }
        )+
    };
}

from_strings!(&'s str, &'s [u8]);

impl FromIterator<String> for OwnedArray {
    fn from_iter<I: IntoIterator<Item = String>>(values: I) -> Self {
        collect(ValueType::String, values, |value, out| {
            encode_string(value.as_bytes(), out);
        })
    }
}

fn collect<T>(
    element: ValueType,
    values: impl IntoIterator<Item = T>,
    encode: impl Fn(&T, &mut Vec<u8>),
) -> OwnedArray {
    let mut array = OwnedArray {
        element,
        length: 0,
        bytes: Vec::new(),
    };
    for value in values {
        encode(&value, &mut array.bytes);
        array.length += 1;
    }
    array
}

impl From<&str> for OwnedValue {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<String> for OwnedValue {
    fn from(value: String) -> Self {
        Self::String(value.into())
    }
}

impl From<OwnedArray> for OwnedValue {
    fn from(array: OwnedArray) -> Self {
        Self::Array(array)
    }
}

impl From<Array<'_>> for OwnedArray {
    fn from(array: Array<'_>) -> Self {
        Self {
            element: array.element(),
            length: array.len(),
            bytes: array.bytes().to_vec(),
        }
    }
}

/// For files that keep the metadata of another one, such as its vocabulary.
impl From<Value<'_>> for OwnedValue {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::U8(value) => Self::U8(value),
            Value::I8(value) => Self::I8(value),
            Value::U16(value) => Self::U16(value),
            Value::I16(value) => Self::I16(value),
            Value::U32(value) => Self::U32(value),
            Value::I32(value) => Self::I32(value),
            Value::F32(value) => Self::F32(value),
            Value::Bool(value) => Self::Bool(value),
            Value::String(bytes) => Self::String(bytes.to_vec()),
            Value::Array(array) => Self::Array(array.into()),
            Value::U64(value) => Self::U64(value),
            Value::I64(value) => Self::I64(value),
            Value::F64(value) => Self::F64(value),
        }
    }
}

/// `Vec`s and slices of anything that collects into an [`OwnedArray`].
impl<T: Clone> From<&[T]> for OwnedValue
where
    OwnedArray: FromIterator<T>,
{
    fn from(values: &[T]) -> Self {
        Self::Array(values.iter().cloned().collect())
    }
}

impl<T> From<Vec<T>> for OwnedValue
where
    OwnedArray: FromIterator<T>,
{
    fn from(values: Vec<T>) -> Self {
        Self::Array(values.into_iter().collect())
    }
}
