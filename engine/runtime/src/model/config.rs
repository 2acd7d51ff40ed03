//! What a model is, as data: read from a GGUF's metadata, checked once.

use sysinfer_formats::Gguf;

use crate::error::EngineError;

/// How positions enter attention.
#[derive(Clone, Debug, PartialEq)]
pub enum Positions {
    /// Queries and keys are rotated (arXiv:2104.09864).
    Rotary {
        /// Values of a head that are rotated, from its start.
        dimensions: usize,
        /// Base of the angles' geometric series.
        base: f32,
        /// Positions are divided by this (linear scaling); 1: not at all.
        scale: f32,
    },
    /// Scores lose the distance times a slope per head (arXiv:2108.12409).
    Alibi {
        /// The steepest slopes are `2^-(bias / heads)` and its powers.
        max_bias: f32,
    },
}

/// Shape and constants of a decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `general.architecture`.
    pub architecture: String,
    /// `general.name`, or the architecture.
    pub name: String,
    /// Decoder layers.
    pub layers: usize,
    /// Width of the residual stream.
    pub embedding_length: usize,
    /// Width of the feed-forward's hidden vector.
    pub feed_forward_length: usize,
    /// Query heads.
    pub heads: usize,
    /// Heads that keep keys and values; each serves `heads / kv_heads` query heads.
    pub kv_heads: usize,
    /// Values per head.
    pub head_size: usize,
    /// Positions that the model was made for.
    pub context_length: usize,
    /// Rows of the output matrix.
    pub vocabulary_size: usize,
    /// Epsilon of the root mean square norms.
    pub norm_epsilon: f32,
    /// How positions enter.
    pub positions: Positions,
}

/// Architectures that are run here.
pub const ARCHITECTURES: [&str; 2] = ["llama", "baichuan"];
/// Llama.cpp tells Baichuan 13B, which has ALiBi, from 7B, which rotates, by its layers.
const BAICHUAN_13B_LAYERS: usize = 40;
/// The bias that Baichuan 13B was trained with; its files do not say.
const BAICHUAN_13B_MAX_BIAS: f32 = 8.0;

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

    /// Reads and checks the metadata of a file.
    ///
    /// # Errors
    /// An architecture that is not run here, a key that is missing, of the wrong type or outside
    /// its range, with the key's name.
    pub fn from_gguf(file: &Gguf<'_>) -> Result<Config, EngineError> {
        let reader = Reader::new(file)?;
        let embedding_length = reader.count("embedding_length", 1 << 20)?;
        let heads = reader.count("attention.head_count", 4096)?;
        let kv_heads = reader
            .optional_count("attention.head_count_kv", 4096)?
            .unwrap_or(heads);
        let head_size = match reader.optional_count("attention.key_length", 4096)? {
            Some(size) => size,
            None => embedding_length / heads,
        };
        if let Some(size) = reader.optional_count("attention.value_length", 4096)?
            && size != head_size
        {
            return Err(EngineError::Model(format!(
                "attention.value_length is {size}, attention.key_length {head_size}; they must be equal"
            )));
        }
        let layers = reader.count("block_count", 4096)?;
        let config = Config {
            name: reader.name()?,
            layers,
            embedding_length,
            feed_forward_length: reader.count("feed_forward_length", 1 << 22)?,
            heads,
            kv_heads,
            head_size,
            context_length: reader.count("context_length", 1 << 28)?,
            vocabulary_size: reader.vocabulary_size()?,
            norm_epsilon: reader.positive("attention.layer_norm_rms_epsilon", None)?,
            positions: reader.positions(layers, head_size)?,
            architecture: reader.architecture,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), EngineError> {
        let fail = |message: String| Err(EngineError::Model(message));
        if !self.heads.is_multiple_of(self.kv_heads) {
            return fail(format!(
                "attention.head_count {} is not a multiple of attention.head_count_kv {}",
                self.heads, self.kv_heads
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

/// Reads `{architecture}.{key}`.
struct Reader<'f> {
    file: &'f Gguf<'f>,
    architecture: String,
}

impl<'f> Reader<'f> {
    fn new(file: &'f Gguf<'f>) -> Result<Self, EngineError> {
        let architecture = file
            .metadata()
            .require_string("general.architecture")
            .map_err(model)?;
        if !ARCHITECTURES.contains(&architecture) {
            return Err(EngineError::Model(format!(
                "general.architecture is \"{architecture}\"; this engine runs \"llama\" and \"baichuan\""
            )));
        }
        Ok(Self {
            file,
            architecture: architecture.to_owned(),
        })
    }

    fn name(&self) -> Result<String, EngineError> {
        let name = self.file.metadata().string("general.name").map_err(model)?;
        Ok(name.unwrap_or(&self.architecture).to_owned())
    }

    fn optional_count(&self, key: &str, most: usize) -> Result<Option<usize>, EngineError> {
        let key = format!("{}.{key}", self.architecture);
        let Some(value) = self.file.metadata().unsigned(&key).map_err(model)? else {
            return Ok(None);
        };
        match usize::try_from(value) {
            Ok(count) if (1..=most).contains(&count) => Ok(Some(count)),
            _ => Err(EngineError::Model(format!(
                "{key} is {value}; it must be from 1 to {most}"
            ))),
        }
    }

    fn count(&self, key: &str, most: usize) -> Result<usize, EngineError> {
        self.optional_count(key, most)?
            .ok_or_else(|| EngineError::Model(format!("{}.{key} is missing", self.architecture)))
    }

    fn positive(&self, key: &str, default: Option<f32>) -> Result<f32, EngineError> {
        let key = format!("{}.{key}", self.architecture);
        let found = self.file.metadata().float(&key).map_err(model)?.or(default);
        match found {
            Some(value) if value.is_finite() && value > 0.0 => Ok(value),
            Some(value) => Err(EngineError::Model(format!(
                "{key} is {value}; it must be above 0"
            ))),
            None => Err(EngineError::Model(format!("{key} is missing"))),
        }
    }

    fn vocabulary_size(&self) -> Result<usize, EngineError> {
        let embedding = self.file.require("token_embd.weight").map_err(model)?;
        match embedding.rows() {
            0 => Err(EngineError::Model("token_embd.weight has no rows".into())),
            rows if u32::try_from(rows).is_err() => Err(EngineError::Model(format!(
                "token_embd.weight has {rows} rows; ids have 32 bits"
            ))),
            rows => Ok(rows),
        }
    }

    fn positions(&self, layers: usize, head_size: usize) -> Result<Positions, EngineError> {
        if self.architecture == "baichuan" && layers == BAICHUAN_13B_LAYERS {
            return Ok(Positions::Alibi {
                max_bias: BAICHUAN_13B_MAX_BIAS,
            });
        }
        let scaling = format!("{}.rope.scaling.type", self.architecture);
        let scale = match self.file.metadata().string(&scaling).map_err(model)? {
            None | Some("none") => 1.0,
            Some("linear") => self.positive("rope.scaling.factor", Some(1.0))?,
            Some(other) => {
                return Err(EngineError::Model(format!(
                    "{scaling} is \"{other}\"; \"none\" and \"linear\" are supported (Llama 3.1's scaling comes as the tensor rope_freqs.weight)"
                )));
            }
        };
        Ok(Positions::Rotary {
            dimensions: self
                .optional_count("rope.dimension_count", 4096)?
                .unwrap_or(head_size),
            base: self.positive("rope.freq_base", Some(10_000.0))?,
            scale,
        })
    }
}

/// A metadata error as the engine's.
fn model(error: sysinfer_formats::GgufError) -> EngineError {
    EngineError::Model(error.to_string())
}
