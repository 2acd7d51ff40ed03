//! One request's state: its tokens and the cache of their keys and values.

use sysinfer_machine::Pages;

use crate::error::EngineError;
use crate::kv::{BLOCK_POSITIONS, KvBlock, KvShape};

/// Tokens that went through the model, with their keys and values. Grows block by block; freed when
/// dropped.
#[derive(Debug)]
pub struct Sequence {
    shape: KvShape,
    blocks: Vec<KvBlock>,
    tokens: Vec<u32>,
    capacity: usize,
    pages: Pages,
}

impl Sequence {
    pub(crate) fn new(shape: KvShape, capacity: usize, pages: Pages) -> Self {
        Self {
            shape,
            blocks: Vec::new(),
            tokens: Vec::new(),
            capacity,
            pages,
        }
    }

    /// Tokens so far.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether no token went through the model yet.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The most tokens it may hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The tokens themselves.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Forgets all tokens; keeps the memory for the next ones.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Forgets the tokens from position `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.tokens.truncate(len);
    }

    pub(crate) fn shape(&self) -> KvShape {
        self.shape
    }

    /// Makes room for `more` tokens.
    pub(crate) fn reserve(&mut self, more: usize) -> Result<(), EngineError> {
        let asked = self.len() + more;
        if asked > self.capacity {
            let limit_name = "the capacity of the sequence";
            return Err(EngineError::Context {
                asked,
                limit: self.capacity,
                limit_name,
            });
        }
        while self.blocks.len() * BLOCK_POSITIONS < asked {
            self.blocks.push(KvBlock::new(self.shape, self.pages)?);
        }
        Ok(())
    }

    /// Adds tokens whose keys and values are in the cache.
    pub(crate) fn extend(&mut self, tokens: &[u32]) {
        self.tokens.extend_from_slice(tokens);
    }

    pub(crate) fn blocks(&self) -> &[KvBlock] {
        &self.blocks
    }

    /// The blocks that hold positions `first..first + count`.
    pub(crate) fn blocks_of_mut(&mut self, first: usize, count: usize) -> &mut [KvBlock] {
        &mut self.blocks[first / BLOCK_POSITIONS..(first + count).div_ceil(BLOCK_POSITIONS)]
    }
}
