//! What a model is, as data.

use sysinfer_kernels::ROWS;
use sysinfer_kernels::attention::CacheType;

use crate::error::EngineError;
use crate::kv::KvShape;

/// Which two values of a head are rotated together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RotaryOrder {
    /// `2 i` and `2 i + 1`, as converted Llama weights expect it.
    #[default]
    Neighbours,
    /// `i` and `i + dimensions / 2`, as in GPT-NeoX.
    Halves,
}

/// How rotary positions are stretched over a longer context than that of the training.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RotaryScaling {
    /// Not at all.
    #[default]
    None,
    /// Positions are divided by the factor (arXiv:2306.15595).
    Linear {
        /// The context is so many times as long.
        factor: f32,
    },
    /// YaRN (arXiv:2309.00071).
    Yarn(Yarn),
}

/// The numbers of YaRN: frequencies that turn often within the original context stay, those that turn
/// seldom are divided by the factor, and those between are mixed of both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Yarn {
    /// The context is so many times as long.
    pub factor: f32,
    /// Positions that the model was trained with before.
    pub original_context: usize,
    /// Turns within the original context from which on a frequency stays.
    pub beta_fast: f32,
    /// Turns up to which it is divided.
    pub beta_slow: f32,
}

/// How positions enter attention.
#[derive(Clone, Debug, PartialEq)]
pub enum Positions {
    /// Queries and keys are rotated (arXiv:2104.09864).
    Rotary {
        /// Values of a head that are rotated, from its start.
        dimensions: usize,
        /// Base of the angles' geometric series.
        base: f32,
        /// What makes more positions than the model was trained with.
        scaling: RotaryScaling,
        /// What rotated queries and keys are multiplied by, each: with YaRN the square root of the
        /// paper's 1/t, else 1.
        magnitude: f32,
        /// Which values turn together.
        order: RotaryOrder,
    },
    /// Scores lose the distance times a slope per head (arXiv:2108.12409).
    Alibi {
        /// The steepest slopes are `2^-(bias / heads)` and its powers.
        max_bias: f32,
    },
}

/// A feed-forward of which each token uses some parts only (arXiv:1701.06538): those with the
/// largest scores, weighted by the softmax of all scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Experts {
    /// How many there are.
    pub count: usize,
    /// How many a token uses.
    pub used: usize,
    /// Whether the weights of those that a token uses are made to add up to 1.
    pub normed: bool,
    /// What all weights are multiplied by then.
    pub scale: f32,
    /// Width of the hidden vector of the expert that every token uses, where there is one: its result
    /// counts for the sigmoid of a score of its own (Qwen 2 MoE).
    pub shared_length: Option<usize>,
}

/// Shape and constants of a decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `general.architecture`.
    pub architecture: String,
    /// `general.name`, or the architecture: at most 200 characters, none of which controls a terminal.
    pub name: String,
    /// Decoder layers.
    pub layers: usize,
    /// Width of the residual stream.
    pub embedding_length: usize,
    /// Width of the feed-forward's (or one expert's) hidden vector.
    pub feed_forward_length: usize,
    /// The experts, where the feed-forward is made of them.
    pub experts: Option<Experts>,
    /// Query heads.
    pub heads: usize,
    /// Heads that keep keys and values; each serves `heads / kv_heads` query heads.
    pub kv_heads: usize,
    /// Values per head.
    pub head_size: usize,
    /// Positions that the model was made for, but no more than its sliding window.
    pub context_length: usize,
    /// Positions that a token sees, where it sees a window of them only.
    pub sliding_window: Option<usize>,
    /// Rows of the output matrix.
    pub vocabulary_size: usize,
    /// Epsilon of the root mean square norms.
    pub norm_epsilon: f32,
    /// How positions enter.
    pub positions: Positions,
    /// Whether queries, keys and values have biases.
    pub qkv_bias: bool,
    /// Whether attention's output has a bias.
    pub output_bias: bool,
    /// Whether every query and key head is normalised.
    pub head_norms: bool,
    /// Whether the feed-forward's matrices have biases.
    pub feed_forward_bias: bool,
}

impl Config {
    /// Query heads that share one key/value head.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Width of all keys (or values) of one position.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_size
    }

    /// Width of all queries of one position.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_size
    }

    /// What its KV cache looks like, of that type.
    pub fn cache_shape(&self, cache: CacheType) -> KvShape {
        KvShape::new(self.layers, self.kv_heads, self.head_size, cache)
    }

    /// Refuses numbers that do not go together.
    ///
    /// # Errors
    /// [`EngineError::Model`] names the keys.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        let fail = |message: String| Err(EngineError::Model(message));
        if !self.heads.is_multiple_of(self.kv_heads) {
            return fail(format!(
                "attention.head_count {} is not a multiple of attention.head_count_kv {}",
                self.heads, self.kv_heads
            ));
        }
        // The residual has as many values as the matrices that write to it have rows, in whole groups.
        if !self.embedding_length.is_multiple_of(ROWS) {
            return fail(format!(
                "embedding_length is {}; it must be a multiple of {ROWS}",
                self.embedding_length
            ));
        }
        if !self.head_size.is_multiple_of(8) || self.head_size == 0 {
            return fail(format!(
                "heads have {} values (attention.key_length, or embedding_length / \
                 attention.head_count); they must be a multiple of 8",
                self.head_size
            ));
        }
        if let Positions::Rotary { dimensions, .. } = self.positions
            && (dimensions > self.head_size || !dimensions.is_multiple_of(2))
        {
            return fail(format!(
                "rope.dimension_count is {dimensions}; it must be even and at most the head size {}",
                self.head_size
            ));
        }
        Ok(())
    }
}
