//! What a block of the cache looks like.
//!
//! A block holds keys and values of [`BLOCK_POSITIONS`] positions for all layers and heads:
//! `[layer][head][keys, values, longest key]`, each as [`CacheType`] says. One head's part is contiguous
//! and is written by the worker that appends to that head, whose node its pages come from: those that
//! are no larger than it. A huge page holds several heads and is where the first of them was written.

use sysinfer_kernels::attention::CacheType;

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
    pub(super) fn half_head(&self) -> usize {
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

    pub(super) fn layer_bytes(&self) -> usize {
        self.heads * self.head_bytes()
    }

    /// Bytes of keys and values of one position, all layers.
    pub fn position_bytes(&self) -> usize {
        self.layers * self.heads * 2 * self.cache.position_bytes(self.head_size)
    }

    pub(super) fn block_bytes(&self) -> usize {
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
