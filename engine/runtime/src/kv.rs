//! The KV cache: blocks of positions that a sequence grows by.
//!
//! A block holds keys and values of [`BLOCK_POSITIONS`] positions for all layers and heads:
//! `[layer][head][keys, values]`, each as [`CacheType`] says. One head's part is contiguous, so it is
//! written (and thereby placed) by the worker that appends to that head.

use std::ops::Range;

use sysinfer_kernels::attention::CacheType;
use sysinfer_machine::{MachineError, NodeBuffer, Pages};

/// Positions in one block.
pub const BLOCK_POSITIONS: usize = 128;

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

    /// Bytes of one head in a block: keys, then values.
    pub fn head_bytes(&self) -> usize {
        2 * self.half_head()
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
    pub fn new(shape: KvShape) -> Result<KvBlock, MachineError> {
        Ok(KvBlock {
            shape,
            bytes: NodeBuffer::new(shape.block_bytes(), Pages::Transparent)?,
        })
    }

    fn layer_range(&self, layer: usize) -> Range<usize> {
        let bytes = self.shape.layer_bytes();
        layer * bytes..(layer + 1) * bytes
    }

    /// One layer: `[head][keys, values]`.
    pub fn layer_mut(&mut self, layer: usize) -> &mut [u8] {
        let range = self.layer_range(layer);
        &mut self.bytes[range]
    }

    /// Keys and values of one head of one layer.
    pub fn head(&self, layer: usize, head: usize) -> (&[u8], &[u8]) {
        let layer = &self.bytes[self.layer_range(layer)];
        let bytes = self.shape.head_bytes();
        layer[head * bytes..(head + 1) * bytes].split_at(self.shape.half_head())
    }
}
