//! What was loaded, in numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sysinfer_formats::TensorType;

use crate::matrix_shape::MatrixShape;
use crate::model::config::Config;
use crate::model::forward::Model;
use crate::precision::Precision;

/// Facts about a loaded model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineInfo {
    /// `general.name`, or the preset.
    pub name: String,
    /// Architecture, for example `llama`.
    pub architecture: String,
    /// Block type of most weights and what differs, for example `Q4_0 (output Q6_K)`.
    pub quantisation: String,
    /// Positions that the model was made for.
    pub context_length: usize,
    /// Logits per row.
    pub vocabulary_size: usize,
    /// Decoder layers.
    pub layers: usize,
    /// Width of the residual stream.
    pub embedding_length: usize,
    /// Query heads.
    pub heads: usize,
    /// Key/value heads.
    pub kv_heads: usize,
    /// Weights, without norms and biases.
    pub parameters: u64,
    /// Bytes of all weights in memory.
    pub weight_bytes: u64,
    /// Bytes of weights that a decode step of one token reads: all but the token embedding and the
    /// experts that it does not use.
    pub decode_bytes: u64,
    /// Bytes of keys and values that a decode step reads per position of the context.
    pub kv_bytes_per_position: u64,
    /// Block types that have kernels to choose, most bytes first.
    pub block_types: Vec<String>,
    /// The shape in one word: equal for models of equal shape and types.
    pub fingerprint: String,
}

impl EngineInfo {
    pub(crate) fn of(model: &Model, precision: Precision) -> EngineInfo {
        let matrices: Vec<MatrixShape> = model.weights.matrices().map(MatrixShape::of).collect();
        let output = model.weights.output.matrices[0].block;
        let embedding_bytes = model.weights.embedding.len_bytes();
        Self::new(&model.config, &matrices, output, embedding_bytes, precision)
    }

    /// From all packed matrices, the type of the output matrix and the bytes of the embedding.
    pub(crate) fn new(
        config: &Config,
        matrices: &[MatrixShape],
        output: TensorType,
        embedding_bytes: usize,
        precision: Precision,
    ) -> EngineInfo {
        let packed_bytes: usize = matrices.iter().map(|m| m.packed_bytes).sum();
        let decode_bytes: usize = matrices.iter().map(|m| read_bytes(m, config)).sum();
        let parameters = |m: &MatrixShape| m.experts * m.rows * m.columns;
        let weights: usize = matrices.iter().map(parameters).sum();
        let embedding = config.vocabulary_size * config.embedding_length;
        let block_types = block_types(matrices);
        let output = output.name();
        let quantisation = match block_types.first() {
            Some(most) if most != output => format!("{most} (output {output})"),
            _ => output.to_owned(),
        };
        let head = precision.cache.position_bytes(config.head_size);
        let kv = 2 * config.layers * config.kv_heads * head;
        let experts = config
            .experts
            .map_or_else(String::new, |e| format!("-x{}of{}", e.used, e.count));
        let shared = config.experts.and_then(|experts| experts.shared_length);
        let shared = shared.map_or_else(String::new, |length| format!("-s{length}"));
        EngineInfo {
            name: config.name.clone(),
            architecture: config.architecture.clone(),
            quantisation,
            context_length: config.context_length,
            vocabulary_size: config.vocabulary_size,
            layers: config.layers,
            embedding_length: config.embedding_length,
            heads: config.heads,
            kv_heads: config.kv_heads,
            parameters: (weights + embedding) as u64,
            weight_bytes: (packed_bytes + embedding_bytes) as u64,
            decode_bytes: decode_bytes as u64,
            kv_bytes_per_position: kv as u64,
            fingerprint: format!(
                "{}-l{}-e{}-f{}{experts}{shared}-h{}-kv{}-d{}-v{}-{}",
                config.architecture,
                config.layers,
                config.embedding_length,
                config.feed_forward_length,
                config.heads,
                config.kv_heads,
                config.head_size,
                config.vocabulary_size,
                block_types.join("+").to_lowercase(),
            ),
            block_types,
        }
    }
}

/// Bytes of a matrix that one token reads.
fn read_bytes(matrix: &MatrixShape, config: &Config) -> usize {
    match config.experts {
        Some(experts) if matrix.experts > 1 => matrix.packed_bytes / matrix.experts * experts.used,
        _ => matrix.packed_bytes,
    }
}

fn block_types(matrices: &[MatrixShape]) -> Vec<String> {
    let mut bytes = BTreeMap::<&str, usize>::new();
    for matrix in matrices {
        *bytes.entry(matrix.block.name()).or_default() += matrix.packed_bytes;
    }
    let mut types: Vec<_> = bytes.into_iter().collect();
    types.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    types.into_iter().map(|(name, _)| name.to_owned()).collect()
}
