//! Many short byte strings in one allocation: the texts of a vocabulary.

/// Byte strings, numbered from 0.
#[derive(Debug, Default)]
pub(super) struct ByteStrings {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl ByteStrings {
    /// No strings yet, with room for `count` of `bytes` bytes in all: a vector that grows takes up to
    /// twice as much.
    pub(super) fn with_capacity(count: usize, bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            ends: Vec::with_capacity(count),
        }
    }

    /// Bytes of all strings.
    pub(super) fn total_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the string that `write` appends to the buffer it is given.
    pub(super) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// The string number `index`; empty when there is none.
    pub(super) fn get(&self, index: usize) -> &[u8] {
        let Some(&end) = self.ends.get(index) else {
            return &[];
        };
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// How many strings there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All strings, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.get(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back_by_number() {
        let mut strings = ByteStrings::default();
        for text in ["", "ab", "", "c"] {
            strings.push_with(|bytes| bytes.extend_from_slice(text.as_bytes()));
        }
        assert_eq!(strings.len(), 4);
        assert_eq!(
            strings.iter().collect::<Vec<_>>(),
            [&b""[..], b"ab", b"", b"c"]
        );
        assert_eq!(strings.get(4), b"");
    }
}
