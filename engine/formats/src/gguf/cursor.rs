//! A bounded little-endian reader: each length is checked against the bytes that remain, and each
//! error says which field was being read and where.

use std::fmt::Arguments;

use super::error::GgufError;
use super::limits::MAX_NAME_BYTES;

/// The largest count that a field may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct CountLimit {
    /// Absolute limit.
    pub(super) most: u64,
    /// Bytes that each counted entry takes at least, at least 1: bounds the count by the file.
    pub(super) smallest_entry_bytes: u64,
}

/// Reads fields one after another. Field descriptions are formatted only when they are needed.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Bytes read so far: the offset of the next field in the file.
    pub(super) fn offset(&self) -> u64 {
        self.position as u64
    }

    /// The bytes that have not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.position..]
    }

    /// The bytes from `offset` (of an earlier field) to here.
    pub(super) fn since(&self, offset: u64) -> &'a [u8] {
        let start = usize::try_from(offset).map_or(self.position, |at| at.min(self.position));
        &self.bytes[start..self.position]
    }

    /// Where a name starts that [`Self::name`] read: the offset of its length.
    pub(super) fn offset_of(&self, name: &str) -> u64 {
        // The name is a slice of the file, so the difference of addresses is its place.
        let place = name.as_ptr().addr() - self.bytes.as_ptr().addr();
        place.saturating_sub(size_of::<u64>()) as u64
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: u64, field: Arguments<'_>) -> Result<&'a [u8], GgufError> {
        let taken = usize::try_from(count)
            .ok()
            .and_then(|count| self.rest().get(..count));
        let Some(taken) = taken else {
            return Err(self.truncated(count, field));
        };
        self.position += taken.len();
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(super) fn chunk<const N: usize>(
        &mut self,
        field: Arguments<'_>,
    ) -> Result<[u8; N], GgufError> {
        let Some(chunk) = self.rest().first_chunk::<N>() else {
            return Err(self.truncated(N as u64, field));
        };
        self.position += N;
        Ok(*chunk)
    }

    pub(super) fn u32(&mut self, field: Arguments<'_>) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.chunk(field)?))
    }

    pub(super) fn u64(&mut self, field: Arguments<'_>) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.chunk(field)?))
    }

    /// A `u64` that counts entries still to come, refused when they cannot all be there.
    pub(super) fn count(
        &mut self,
        limit: CountLimit,
        field: Arguments<'_>,
    ) -> Result<u64, GgufError> {
        let offset = self.offset();
        let found = self.u64(field)?;
        let room = self.rest().len() as u64 / limit.smallest_entry_bytes;
        let allowed = limit.most.min(room);
        if found > allowed {
            return Err(GgufError::CountTooLarge {
                field: field.to_string(),
                offset,
                found,
                allowed,
            });
        }
        Ok(found)
    }

    /// A string: its length as a `u64`, then that many bytes.
    pub(super) fn string(&mut self, field: Arguments<'_>) -> Result<&'a [u8], GgufError> {
        let any_length = CountLimit {
            most: u64::MAX,
            smallest_entry_bytes: 1,
        };
        let length = self.count(any_length, format_args!("the length of {field}"))?;
        self.take(length, field)
    }

    /// A string that names something: not empty, not beyond the limit, UTF-8.
    pub(super) fn name(&mut self, field: Arguments<'_>) -> Result<&'a str, GgufError> {
        let offset = self.offset();
        let limit = CountLimit {
            most: MAX_NAME_BYTES,
            smallest_entry_bytes: 1,
        };
        let length = self.count(limit, format_args!("the length of {field}"))?;
        if length == 0 {
            return Err(GgufError::EmptyName {
                field: field.to_string(),
                offset,
            });
        }
        let bytes = self.take(length, field)?;
        std::str::from_utf8(bytes).map_err(|_| GgufError::InvalidUtf8 {
            field: format!("{field} at byte {offset}"),
        })
    }

    /// The error for a field of `needed` bytes that starts here.
    pub(super) fn truncated(&self, needed: u64, field: Arguments<'_>) -> GgufError {
        GgufError::Truncated {
            field: field.to_string(),
            offset: self.offset(),
            needed,
            remaining: self.rest().len() as u64,
        }
    }
}
