//! What a run needs of memory, from the file's directory alone, so that what cannot fit is refused
//! before anything is loaded.

use anyhow::{Context, bail};
use sysinfer_engine::model::metadata;
use sysinfer_engine::model::source::{InF32, packed_bytes};
use sysinfer_engine::model::stored::StoredModel;
use sysinfer_engine::{EngineError, ModelFile, Precision, WeightPrecision};
use sysinfer_terminal::gigabytes;

/// Copies of a step's logits: the engine's two, and the one that is scored.
const LOGITS_COPIES: u64 = 3;

/// What a model file says of the memory that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Bytes of the weights.
    weights: u64,
    /// Bytes of keys and values of one position, all layers.
    position: u64,
    /// Logits per token.
    vocabulary_size: u64,
}

impl Demand {
    /// Of a model's directory.
    ///
    /// # Errors
    /// No model that runs here, or a tensor that cannot be decoded.
    pub fn read(file: &ModelFile, precision: Precision) -> anyhow::Result<Self> {
        Self::of(file.stored(), precision).with_context(|| file.path().display().to_string())
    }

    fn of(model: &StoredModel<'_>, precision: Precision) -> Result<Self, EngineError> {
        let config = metadata::read(model)?;
        let cached_values = 2 * config.layers * config.kv_width();
        Ok(Self {
            weights: match precision.weights {
                WeightPrecision::AsStored => packed_bytes(model),
                WeightPrecision::F32 => packed_bytes(&InF32::new(model)?),
            },
            position: precision.cache.position_bytes(cached_values) as u64,
            vocabulary_size: config.vocabulary_size as u64,
        })
    }

    /// The same where weights stay in the file.
    pub fn of_mapped_weights(self) -> Self {
        Self { weights: 0, ..self }
    }

    /// Bytes of an engine with this file, its cache of `context` tokens and its logits of a step of
    /// `step_tokens`.
    pub fn bytes(&self, context: usize, step_tokens: usize) -> u64 {
        let cache = self.position.saturating_mul(context as u64);
        let logits = LOGITS_COPIES * 4 * self.vocabulary_size * step_tokens as u64;
        self.weights.saturating_add(cache).saturating_add(logits)
    }
}

/// Refuses a model and a reference that do not fit into `available` bytes together.
///
/// # Errors
/// Names the sizes and the ways out.
pub fn require(model: u64, reference: Option<u64>, available: Option<u64>) -> anyhow::Result<()> {
    let needed = model.saturating_add(reference.unwrap_or(0));
    match (reference, available) {
        (Some(reference), Some(available)) if needed > available => bail!(
            "the model needs about {} of memory and its reference {}, and {} are available; add \
             --no-reference for perplexity alone, or --reference FILE.gguf for a smaller reference, \
             such as the same model in Q8_0; a smaller --context takes less for both",
            gigabytes(model),
            gigabytes(reference),
            gigabytes(available)
        ),
        (None, Some(available)) if needed > available => bail!(
            "the model needs about {} of memory and {} are available; \
             free some, or give a smaller --context or --step",
            gigabytes(model),
            gigabytes(available)
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::Preset;
    use sysinfer_engine::model::synth::write_gguf;
    use sysinfer_formats::Gguf;

    use super::*;

    #[test]
    fn a_models_demand_is_read_from_its_directory() {
        let mut bytes = Vec::new();
        write_gguf(Preset::Tiny, 1, &mut bytes).expect("memory");
        let file = Gguf::parse(&bytes).expect("our own file");
        let file = StoredModel::new(&[file]).expect("a whole model");
        let demand = |precision| Demand::of(&file, precision).expect("types that we decode");
        let exact = demand(Precision::REFERENCE);
        let layer = 256 * (256 + 128 + 128 + 256) + 3 * 256 * 512 + 2 * 256;
        assert_eq!(exact.weights, 4 * (2 * layer + 2 * 256 * 512 + 256));
        assert_eq!(exact.vocabulary_size, 512);
        // Two layers of 4 heads of 32, for keys and for values.
        assert_eq!(exact.position, 4 * 2 * 2 * 128);
        let stored = demand(Precision::default());
        assert!(stored.weights * 6 < exact.weights, "about five bits");
        assert_eq!(stored.position, 2 * 2 * 2 * 128);
        let logits = 3 * 4 * 512 * 8;
        assert_eq!(
            stored.bytes(100, 8),
            stored.weights + 100 * stored.position + logits
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_ways_out() {
        let message = require(5_000_000_000, Some(31_000_000_000), Some(22_000_000_000))
            .expect_err("too large")
            .to_string();
        for part in [
            "5.0 GB",
            "31.0 GB",
            "22.0 GB",
            "--no-reference",
            "--reference FILE",
        ] {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
        let message = require(5, None, Some(4))
            .expect_err("too large")
            .to_string();
        assert!(!message.contains("reference"), "{message}");
        for (model, reference, available) in [
            (5, Some(5), Some(10)),
            (5, None, Some(5)),
            (9, Some(9), None),
        ] {
            assert!(require(model, reference, available).is_ok());
        }
    }
}
