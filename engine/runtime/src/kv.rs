//! The KV cache: blocks of positions that a sequence grows by.
//!
//! A block holds keys and values of [`BLOCK_POSITIONS`] positions for all layers and heads:
//! `[layer][head][keys, values, longest key]`, each as [`CacheType`] says. One head's part is contiguous
//! and is written by the worker that appends to that head, whose node its pages come from: those that
//! are no larger than it. A huge page holds several heads and is where the first of them was written.

use std::ops::Range;

use sysinfer_kernels::attention::CacheType;
use sysinfer_machine::{MachineError, NodeBuffer, Pages};

/// Positions in one block.
pub const BLOCK_POSITIONS: usize = 128;

/// Bytes at the end of a head's part; the first four are a bound of the lengths of its keys.
const TAIL_BYTES: usize = 64;

/// What a model's cache looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvShape {
    /// Decoder layers.
    pub layers: usize,
    /// Heads that keep keys and values.
    pub heads: usize,
    /// Values per head.
    pub head_size: usize,
    /// How they are kept.
    pub cache: CacheType,
}

impl KvShape {
    /// Bytes of one head's keys (or values) in a block.
    fn half_head(&self) -> usize {
        BLOCK_POSITIONS * self.cache.position_bytes(self.head_size)
    }

    /// Bytes of one head in a block: keys, values, and the bound of the keys' lengths.
    pub fn head_bytes(&self) -> usize {
        2 * self.half_head() + TAIL_BYTES
    }

    /// The parts of one head's bytes in a block.
    pub(crate) fn head_mut<'b>(&self, bytes: &'b mut [u8]) -> HeadMut<'b> {
        let (keys, rest) = bytes.split_at_mut(self.half_head());
        let (values, tail) = rest.split_at_mut(self.half_head());
        let longest = tail.first_chunk_mut().expect("a tail is longer");
        HeadMut {
            keys,
            values,
            longest,
        }
    }

    fn layer_bytes(&self) -> usize {
        self.heads * self.head_bytes()
    }

    /// Bytes of keys and values of one position, all layers.
    pub fn position_bytes(&self) -> usize {
        self.layers * self.heads * 2 * self.cache.position_bytes(self.head_size)
    }

    fn block_bytes(&self) -> usize {
        self.layers * self.layer_bytes()
    }
}

/// One head of one layer of a block, to be written.
pub(crate) struct HeadMut<'b> {
    pub(crate) keys: &'b mut [u8],
    pub(crate) values: &'b mut [u8],
    longest: &'b mut [u8; 4],
}

impl HeadMut<'_> {
    /// Notes that a key of at most that length goes to `place`. Keys that are forgotten count until the
    /// block's first place is written again.
    pub(crate) fn note_length(&mut self, place: usize, length: f32) {
        let before = match place {
            0 => 0.0,
            _ => f32::from_le_bytes(*self.longest),
        };
        *self.longest = before.max(length).to_le_bytes();
    }
}

/// Keys and values of [`BLOCK_POSITIONS`] positions.
#[derive(Debug)]
pub struct KvBlock {
    shape: KvShape,
    bytes: NodeBuffer,
}

impl KvBlock {
    /// An empty block.
    ///
    /// # Errors
    /// No memory.
    pub fn new(shape: KvShape, pages: Pages) -> Result<KvBlock, MachineError> {
        Ok(KvBlock {
            shape,
            bytes: NodeBuffer::new(shape.block_bytes(), pages)?,
        })
    }

    fn layer_range(&self, layer: usize) -> Range<usize> {
        let bytes = self.shape.layer_bytes();
        layer * bytes..(layer + 1) * bytes
    }

    /// One layer: `[head][keys, values, longest key]`.
    pub fn layer_mut(&mut self, layer: usize) -> &mut [u8] {
        let range = self.layer_range(layer);
        &mut self.bytes[range]
    }

    /// Keys and values of one head of one layer.
    pub fn head(&self, layer: usize, head: usize) -> (&[u8], &[u8]) {
        let half = self.shape.half_head();
        self.head_part(layer, head)[..2 * half].split_at(half)
    }

    /// The bound of the lengths of one head's keys, where they were noted.
    pub(crate) fn longest_key(&self, layer: usize, head: usize) -> f32 {
        let tail = self.head_part(layer, head)[2 * self.shape.half_head()..].first_chunk();
        f32::from_le_bytes(*tail.expect("a tail is longer"))
    }

    fn head_part(&self, layer: usize, head: usize) -> &[u8] {
        let bytes = self.shape.head_bytes();
        &self.bytes[self.layer_range(layer)][head * bytes..(head + 1) * bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_keeps_the_longest_of_its_keys_until_it_begins_anew() {
        let shape = KvShape {
            layers: 2,
            heads: 3,
            head_size: 8,
            cache: CacheType::Q8_0,
        };
        let mut block = KvBlock::new(shape, Pages::Normal).expect("a little memory");
        let bytes = shape.head_bytes();
        let mut note = |place, length| {
            let layer = block.layer_mut(1);
            let mut head = shape.head_mut(&mut layer[bytes..2 * bytes]);
            assert_eq!(head.keys.len(), head.values.len());
            head.keys.fill(255);
            head.values.fill(255);
            head.note_length(place, length);
            block.longest_key(1, 1)
        };
        assert_eq!(note(0, 3.0), 3.0);
        assert_eq!(note(1, 5.0), 5.0);
        assert_eq!(note(2, 4.0), 5.0);
        assert_eq!(note(1, f32::INFINITY), f32::INFINITY);
        assert_eq!(note(0, 1.0), 1.0);
        let (keys, values) = block.head(1, 1);
        assert!(keys.iter().chain(values).all(|byte| *byte == 255));
        let others = [(0, 1), (1, 0), (1, 2)].map(|(layer, head)| block.longest_key(layer, head));
        assert_eq!(others, [0.0; 3]);
    }
}
