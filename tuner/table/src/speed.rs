//! How long things take under a plan, as far as calibration and search tell.

use sysinfer_engine::EngineInfo;

/// The power of the ratio of lengths by which a longer prompt takes longer: more than the ratio, and less
/// than its square, because attention is a growing part of it.
pub(crate) const PROMPT_GROWTH: f64 = 1.5;
/// A multiplication of attention takes so many times as long as one of weights (Llama3.2-1B on two
/// cores: prompts of 4096 at three quarters of the rate of 512).
const ATTENTION_COST: f64 = 3.0;
/// What a position adds at most, whatever a file says of its model.
const MOST_GROWTH: f64 = 0.002;

/// What the calibration and the search know about speed.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// Time of a decode step at a short context, seconds.
    pub step_seconds: f64,
    /// Time of one token of a prompt, seconds.
    pub prompt_token_seconds: f64,
    /// Weights that a decode step reads, bytes.
    pub decode_bytes: f64,
    /// Cache that it reads for each position, bytes.
    pub kv_bytes_per_position: f64,
    /// What each position before a token of a prompt adds to its time, as a share of it.
    pub prompt_growth: f64,
}

impl Speed {
    /// Time to decode from `from` to `to` total tokens, if steps slow down as their bytes grow.
    pub fn decode_seconds(&self, from: usize, to: usize) -> f64 {
        let steps = to.saturating_sub(from) as f64;
        let mean_position = (from + to) as f64 / 2.0;
        let growth = self.kv_bytes_per_position * mean_position / self.decode_bytes.max(1.0);
        steps * self.step_seconds * (1.0 + growth)
    }

    /// Time to read a prompt on from `from` to `to` tokens.
    pub fn prompt_part_seconds(&self, from: usize, to: usize) -> f64 {
        let tokens = to.saturating_sub(from);
        let mean_position = (from + to) as f64 / 2.0;
        self.prefill_seconds(tokens) * (1.0 + self.prompt_growth * mean_position)
    }

    /// Time of a prompt, without what attention adds to long ones.
    pub fn prefill_seconds(&self, tokens: usize) -> f64 {
        tokens as f64 * self.prompt_token_seconds
    }
}

/// [`Speed::prompt_growth`] from a model's shape: multiplications of attention for each position over
/// those with weights.
pub fn prompt_growth(info: &EngineInfo) -> f64 {
    let attention = 2.0 * info.layers as f64 * info.embedding_length as f64;
    let read = info.decode_bytes as f64 / info.weight_bytes.max(1) as f64;
    let weights = info.parameters as f64 * read;
    (ATTENTION_COST * attention / weights.max(1.0)).min(MOST_GROWTH)
}
