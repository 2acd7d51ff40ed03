//! The keys and values before the tensors, with getters that check types.
//!
//! A typed getter answers `Ok(None)` when the key is absent and an error that names the key, the
//! wanted type and the found one when it holds something else. The `require_` forms make absence an
//! error too.

use super::cursor::Cursor;
use super::error::{GgufError, quote};
use super::names::NameOrder;
use super::value::Value;

/// A key of one character (length and byte), a type, a value of one byte.
pub(super) const MIN_ENTRY_BYTES: u64 = 8 + 1 + 4 + 1;

const STRING: &str = "a UTF-8 string";
const UNSIGNED: &str = "a non-negative integer";
const FLOAT: &str = "a floating-point number";
const BOOLEAN: &str = "a boolean";
/// How the names of types begin that are lists.
const LIST: &str = "an array";
const STRINGS: &str = "an array of strings";
const FLOATS: &str = "an array of floating-point numbers";
const INTEGERS: &str = "an array of integers of at most 64 bits with sign";

/// The metadata of a file. Keys are unique.
#[derive(Debug, Clone)]
pub struct Metadata<'a> {
    /// In the order of the file.
    entries: Vec<(&'a str, Value<'a>)>,
    by_key: NameOrder,
}

impl<'a> Metadata<'a> {
    pub(super) fn parse(cursor: &mut Cursor<'a>, count: u64) -> Result<Self, GgufError> {
        // Bounded by the file: every entry takes several bytes of it.
        let mut entries: Vec<(&str, Value<'_>)> = Vec::with_capacity(count as usize);
        for index in 0..count {
            let key = cursor.name(format_args!("metadata key {index}"))?;
            entries.push((key, Value::parse(cursor, key)?));
        }
        let by_key = NameOrder::of(entries.len(), |index| entries[index].0);
        let by_key = by_key.map_err(|second| GgufError::DuplicateKey {
            key: quote(entries[second].0).to_string(),
            offset: cursor.offset_of(entries[second].0),
        })?;
        Ok(Self { entries, by_key })
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of `key`, of whatever type.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        let position = self.by_key.find(key, |index| self.entries[index].0)?;
        self.entries.get(position).map(|(_, value)| value)
    }

    /// Keys and values in the order of the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'a str, &Value<'a>)> {
        self.entries.iter().map(|(key, value)| (*key, value))
    }

    /// A UTF-8 string.
    ///
    /// # Errors
    /// [`GgufError::WrongType`], also for bytes that are not UTF-8.
    pub fn string(&self, key: &str) -> Result<Option<&'a str>, GgufError> {
        self.typed(key, STRING, |value| match value {
            Value::String(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        })
    }

    /// An integer of any type that is not negative.
    ///
    /// # Errors
    /// [`GgufError::WrongType`], also for negative numbers; [`GgufError::ListForOne`] for arrays, as for every
    /// single value here.
    pub fn unsigned(&self, key: &str) -> Result<Option<u64>, GgufError> {
        self.typed(key, UNSIGNED, |value| {
            u64::try_from(value.as_integer()?).ok()
        })
    }

    /// An `f32`, or an `f64` rounded to one.
    ///
    /// # Errors
    /// [`GgufError::WrongType`].
    pub fn float(&self, key: &str) -> Result<Option<f32>, GgufError> {
        self.typed(key, FLOAT, Value::as_float)
    }

    /// A boolean.
    ///
    /// # Errors
    /// [`GgufError::WrongType`].
    pub fn boolean(&self, key: &str) -> Result<Option<bool>, GgufError> {
        self.typed(key, BOOLEAN, |value| match value {
            Value::Bool(value) => Some(*value),
            _ => None,
        })
    }

    /// An array of strings, as bytes: a piece of a vocabulary need not be UTF-8 on its own.
    ///
    /// # Errors
    /// [`GgufError::WrongType`].
    pub fn strings(&self, key: &str) -> Result<Option<Vec<&'a [u8]>>, GgufError> {
        self.array(key, STRINGS, |value| match value {
            Value::String(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// An array of `f32`, or of `f64` rounded to it.
    ///
    /// # Errors
    /// [`GgufError::WrongType`].
    pub fn floats(&self, key: &str) -> Result<Option<Vec<f32>>, GgufError> {
        self.array(key, FLOATS, |value| value.as_float())
    }

    /// An array of any integer type, read on demand: a file holds a number in as little as a byte.
    ///
    /// # Errors
    /// [`GgufError::WrongType`], also for a `u64` above `i64::MAX`.
    pub fn integers(
        &self,
        key: &str,
    ) -> Result<Option<impl ExactSizeIterator<Item = i64> + use<'a>>, GgufError> {
        let integer = |value: Value<'a>| i64::try_from(value.as_integer()?).ok();
        let array = self.typed(key, INTEGERS, |value| match value {
            Value::Array(array) => array.iter().all(|v| integer(v).is_some()).then_some(*array),
            _ => None,
        })?;
        // All were converted a moment ago.
        Ok(array.map(|array| {
            array
                .iter()
                .map(move |value| integer(value).unwrap_or_default())
        }))
    }

    /// [`Self::string`], which must be there.
    ///
    /// # Errors
    /// [`GgufError::WrongType`] or [`GgufError::MissingKey`].
    pub fn require_string(&self, key: &str) -> Result<&'a str, GgufError> {
        present(key, STRING, self.string(key)?)
    }

    /// [`Self::unsigned`], which must be there.
    ///
    /// # Errors
    /// [`GgufError::WrongType`] or [`GgufError::MissingKey`].
    pub fn require_unsigned(&self, key: &str) -> Result<u64, GgufError> {
        present(key, UNSIGNED, self.unsigned(key)?)
    }

    /// [`Self::float`], which must be there.
    ///
    /// # Errors
    /// [`GgufError::WrongType`] or [`GgufError::MissingKey`].
    pub fn require_float(&self, key: &str) -> Result<f32, GgufError> {
        present(key, FLOAT, self.float(key)?)
    }

    /// [`Self::strings`], which must be there.
    ///
    /// # Errors
    /// [`GgufError::WrongType`] or [`GgufError::MissingKey`].
    pub fn require_strings(&self, key: &str) -> Result<Vec<&'a [u8]>, GgufError> {
        present(key, STRINGS, self.strings(key)?)
    }

    fn typed<T>(
        &self,
        key: &str,
        wanted: &'static str,
        convert: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Result<Option<T>, GgufError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match convert(value) {
            Some(converted) => Ok(Some(converted)),
            None if matches!(value, Value::Array(_)) && !wanted.starts_with(LIST) => {
                Err(GgufError::ListForOne {
                    key: quote(key).to_string(),
                    wanted,
                    found: value.describe(),
                })
            }
            None => Err(GgufError::WrongType {
                key: quote(key).to_string(),
                wanted,
                found: value.describe(),
            }),
        }
    }

    fn array<T>(
        &self,
        key: &str,
        wanted: &'static str,
        convert: impl Fn(Value<'a>) -> Option<T>,
    ) -> Result<Option<Vec<T>>, GgufError> {
        self.typed(key, wanted, |value| {
            let Value::Array(array) = value else {
                return None;
            };
            // At its full size at once: a vector that grows takes up to twice as much.
            let mut converted = Vec::with_capacity(array.len());
            for value in array.iter() {
                converted.push(convert(value)?);
            }
            Some(converted)
        })
    }
}

fn present<T>(key: &str, wanted: &'static str, value: Option<T>) -> Result<T, GgufError> {
    value.ok_or_else(|| GgufError::MissingKey {
        key: quote(key).to_string(),
        wanted,
    })
}
