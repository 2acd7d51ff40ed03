//! The KV cache: blocks of positions that a sequence grows by.
//!
//! A block holds keys and values of [`BLOCK_POSITIONS`] positions for all layers and heads, in f16:
//! `[layer][head][keys, values]`, keys in tiles (see `sysinfer_kernels::attention`), values as
//! `[position][head_size]`. One head's part is contiguous, so it is written (and thereby placed) by
//! the worker that appends to that head.

use std::ops::Range;

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
}

impl KvShape {
    /// f16 values of one head's keys (or values) in a block.
    fn half_head(&self) -> usize {
        BLOCK_POSITIONS * self.head_size
    }

    /// f16 values of one head in a block: keys, then values.
    pub fn head_values(&self) -> usize {
        2 * self.half_head()
    }

    /// f16 values of one layer in a block.
    fn layer_values(&self) -> usize {
        self.heads * self.head_values()
    }

    /// Bytes of keys and values of one position, all layers.
    pub fn position_bytes(&self) -> usize {
        self.layers * self.heads * self.head_size * 2 * size_of::<u16>()
    }

    fn block_bytes(&self) -> usize {
        self.position_bytes() * BLOCK_POSITIONS
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
        let values = self.shape.layer_values();
        layer * values..(layer + 1) * values
    }

    /// One layer: `[head][keys, values]`.
    pub fn layer_mut(&mut self, layer: usize) -> &mut [u16] {
        let range = self.layer_range(layer);
        &mut bytemuck::cast_slice_mut(&mut self.bytes)[range]
    }

    /// Keys (in tiles) and values (`[position][head_size]`) of one head of one layer.
    pub fn head(&self, layer: usize, head: usize) -> (&[u16], &[u16]) {
        let layer = &bytemuck::cast_slice::<u8, u16>(&self.bytes)[self.layer_range(layer)];
        let values = self.shape.head_values();
        layer[head * values..(head + 1) * values].split_at(self.shape.half_head())
    }
}
