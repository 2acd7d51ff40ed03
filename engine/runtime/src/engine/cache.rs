//! Sequences of an engine and the memory that they share.

use sysinfer_machine::scattered;

use super::Engine;
use crate::error::EngineError;
use crate::kv::block::KvBlock;
use crate::kv::{BLOCK_POSITIONS, CacheUse};
use crate::sequence::Sequence;

impl Engine {
    /// An empty sequence for at most `capacity` tokens.
    ///
    /// # Errors
    /// More than the model's context length, or no room in the cache.
    pub fn sequence(&self, capacity: usize) -> Result<Sequence, EngineError> {
        self.sequence_of(&[], capacity)
    }

    /// A sequence for at most `capacity` tokens, which has as many of the first tokens of `prompt` as are
    /// known from others: [`Sequence::len`] says how many.
    ///
    /// # Errors
    /// As [`Engine::sequence`].
    pub fn sequence_of(&self, prompt: &[u32], capacity: usize) -> Result<Sequence, EngineError> {
        let limit = self.model.config.context_length;
        if capacity > limit {
            let limit_name = "the context length of the model";
            return Err(EngineError::Context {
                asked: capacity,
                limit,
                limit_name,
            });
        }
        Sequence::begin(&self.cache, prompt, capacity)
    }

    /// Ends a sequence and keeps its keys and values, as long as nobody needs their room, for prompts that
    /// begin alike.
    pub fn keep(&self, sequence: Sequence) {
        sequence.keep();
    }

    /// Lets all sequences together have at most `tokens` tokens, as whole blocks, from now on.
    pub fn limit_cache(&self, tokens: usize) {
        self.cache.set_limit(tokens / BLOCK_POSITIONS);
    }

    /// What the cache is used for now.
    pub fn cache_use(&self) -> CacheUse {
        self.cache.usage()
    }

    /// Makes memory for `tokens` more tokens ready, each head's by the worker that will write it, so that no
    /// step has to wait until the system has cleared it.
    ///
    /// # Errors
    /// No memory.
    pub fn stock_cache(&mut self, tokens: usize) -> Result<(), EngineError> {
        let (shape, turns) = (self.cache.shape(), self.homes.turns());
        let new = |number| self.cache.new_block(number);
        let count = tokens.div_ceil(BLOCK_POSITIONS);
        let blocks: Result<Vec<KvBlock>, _> = (0..count).map(new).collect();
        let mut blocks = blocks?;
        self.teams.decode.enter(|lead| {
            for layer in 0..shape.layers {
                let layers = blocks.iter_mut().map(|block| {
                    let written = self.heads.decode.written(block.home());
                    (block.layer_mut(layer), written.spans())
                });
                let layers = scattered(layers.collect());
                lead.run(layers, |worker, mut blocks| {
                    for block in 0..count {
                        let written = self.heads.decode.written(turns.home(block));
                        // A worker whose heads are of two parts has more between them than is its own.
                        let heads = written.by(worker);
                        for head in heads.clone() {
                            let start = shape.head_start(head) - shape.head_start(heads.start);
                            blocks.row_mut(block)[start..][..shape.head_bytes()].fill(0);
                        }
                    }
                });
            }
        });
        self.cache.stock(blocks);
        Ok(())
    }
}
