//! Arrays of metadata: vocabularies, scores, merges. Borrowed and checked once, read on demand.

use super::cursor::{CountLimit, Cursor};
use super::error::{GgufError, quote};
use super::value::{Value, ValueType, check_booleans, parse_type};

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
