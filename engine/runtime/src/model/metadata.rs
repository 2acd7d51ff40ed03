//! Reading a description out of a GGUF's metadata, key by key.

use super::config::{Config, Experts, Positions, RotaryScaling, Yarn};
use super::family::{Family, Part};
use super::keys;
use super::kind::require_model;
use super::stored::StoredModel;
use crate::error::EngineError;

/// Llama.cpp tells Baichuan 13B, which has ALiBi, from 7B, which rotates, by its layers.
const BAICHUAN_13B_LAYERS: usize = 40;
/// The bias that Baichuan 13B was trained with; its files do not say.
const BAICHUAN_13B_MAX_BIAS: f32 = 8.0;

/// Characters of a model's name that are kept: enough for a line, and a small part of a profile.
const MAX_NAME_CHARACTERS: usize = 200;

/// Above any head.
const MAX_HEAD_VALUES: usize = 4096;
/// Above any context.
const MAX_POSITIONS: usize = 1 << 28;
/// Above any feed-forward network.
const MAX_HIDDEN: usize = 1 << 22;

/// Reads and checks the metadata of a model.
///
/// # Errors
/// An architecture that is not run here, a key that is missing, of the wrong type or outside
/// its range, or one that is not honoured here, with the key's name.
pub fn read(file: &StoredModel<'_>) -> Result<Config, EngineError> {
    require_model(file)?;
    let reader = Reader::new(file)?;
    let embedding_length = reader.count("embedding_length", 1 << 20)?;
    let heads = reader.count("attention.head_count", 4096)?;
    let kv_heads = reader
        .optional_count("attention.head_count_kv", 4096)?
        .unwrap_or(heads);
    let head_size = match reader.optional_count("attention.key_length", MAX_HEAD_VALUES)? {
        Some(size) => size,
        None => embedding_length / heads,
    };
    if let Some(size) = reader.optional_count("attention.value_length", MAX_HEAD_VALUES)?
        && size != head_size
    {
        return Err(EngineError::Model(format!(
            "attention.value_length is {size}, attention.key_length {head_size}; they must be equal"
        )));
    }
    let layers = reader.count("block_count", 4096)?;
    let family = reader.family;
    let has = |tensor: &str| file.tensor(tensor).is_some();
    let experts = reader.experts()?;
    let context_length = reader.count("context_length", MAX_POSITIONS)?;
    let sliding_window = reader.sliding_window()?;
    let config = Config {
        name: reader.name()?,
        layers,
        embedding_length,
        feed_forward_length: reader.feed_forward_length(experts)?,
        experts,
        heads,
        kv_heads,
        head_size,
        context_length: context_length.min(sliding_window.unwrap_or(context_length)),
        sliding_window,
        vocabulary_size: reader.vocabulary_size()?,
        norm_epsilon: reader.positive("attention.layer_norm_rms_epsilon", None)?,
        positions: reader.positions(layers, head_size, context_length)?,
        qkv_bias: family
            .qkv_bias
            .is_there(has("blk.0.attn_q.bias") || has("blk.0.attn_qkv.bias")),
        output_bias: family.output_bias.is_there(has("blk.0.attn_output.bias")),
        head_norms: family.head_norms.is_there(has("blk.0.attn_q_norm.weight")),
        feed_forward_bias: family
            .feed_forward_bias
            .is_there(has("blk.0.ffn_down.bias")),
        architecture: family.architecture.to_owned(),
    };
    config.check()?;
    Ok(config)
}

/// Reads `{architecture}.{key}`.
struct Reader<'f> {
    file: &'f StoredModel<'f>,
    /// The family that the file belongs to.
    family: &'static Family,
}

impl<'f> Reader<'f> {
    fn new(file: &'f StoredModel<'f>) -> Result<Self, EngineError> {
        let architecture = file
            .metadata()
            .require_string("general.architecture")
            .map_err(model)?;
        let family = Family::of(architecture).ok_or_else(|| {
            EngineError::Model(format!(
                "general.architecture is \"{architecture}\"; this engine runs {}",
                Family::names()
            ))
        })?;
        keys::check(file.metadata(), family)?;
        Ok(Self { file, family })
    }

    /// `general.name`, or the architecture, as one line that can be shown anywhere.
    fn name(&self) -> Result<String, EngineError> {
        let name = self.file.metadata().string("general.name").map_err(model)?;
        Ok(line_of(name.unwrap_or(self.family.architecture)))
    }

    fn optional_count(&self, key: &str, most: usize) -> Result<Option<usize>, EngineError> {
        let key = format!("{}.{key}", self.family.architecture);
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
        self.optional_count(key, most)?.ok_or_else(|| {
            EngineError::Model(format!("{}.{key} is missing", self.family.architecture))
        })
    }

    fn float(&self, key: &str) -> Result<Option<f32>, EngineError> {
        let key = format!("{}.{key}", self.family.architecture);
        match self.file.metadata().float(&key).map_err(model)? {
            Some(value) if !value.is_finite() || value < 0.0 => Err(EngineError::Model(format!(
                "{key} is {value}; it must be a number of at least 0"
            ))),
            other => Ok(other),
        }
    }

    fn positive(&self, key: &str, default: Option<f32>) -> Result<f32, EngineError> {
        match self.float(key)?.or(default) {
            Some(value) if value > 0.0 => Ok(value),
            found => {
                let architecture = self.family.architecture;
                Err(EngineError::Model(match found {
                    Some(value) => format!("{architecture}.{key} is {value}; it must be above 0"),
                    None => format!("{architecture}.{key} is missing"),
                }))
            }
        }
    }

    fn vocabulary_size(&self) -> Result<usize, EngineError> {
        let name = "token_embd.weight";
        let embedding = self.file.tensor(name);
        let embedding =
            embedding.ok_or_else(|| EngineError::Model(format!("tensor {name} is missing")))?;
        match embedding.info.rows {
            0 => Err(EngineError::Model("token_embd.weight has no rows".into())),
            rows if u32::try_from(rows).is_err() => Err(EngineError::Model(format!(
                "token_embd.weight has {rows} rows; ids have 32 bits"
            ))),
            rows => Ok(rows),
        }
    }

    /// Width of the feed-forward network, or of one expert.
    fn feed_forward_length(&self, experts: Option<Experts>) -> Result<usize, EngineError> {
        let dense = || self.count("feed_forward_length", MAX_HIDDEN);
        let Some(experts) = experts else {
            return dense();
        };
        match self.optional_count("expert_feed_forward_length", MAX_HIDDEN)? {
            Some(length) => Ok(length),
            // Mixtral's files have one length only; Qwen's of 2024 that of all used experts.
            None if self.family.architecture == "llama" => dense(),
            None => Ok(dense()? / experts.used),
        }
    }

    fn shared_length(&self) -> Result<usize, EngineError> {
        match self.optional_count("expert_shared_feed_forward_length", MAX_HIDDEN)? {
            Some(length) => Ok(length),
            None => self.count("feed_forward_length", MAX_HIDDEN),
        }
    }

    /// The window of positions that a token sees; 0 is none.
    fn sliding_window(&self) -> Result<Option<usize>, EngineError> {
        let key = format!("{}.attention.sliding_window", self.family.architecture);
        let found = self.file.metadata().unsigned(&key).map_err(model)?;
        let window = found.filter(|window| *window > 0);
        Ok(window.map(|window| usize::try_from(window).unwrap_or(usize::MAX)))
    }

    fn positions(
        &self,
        layers: usize,
        head_size: usize,
        context_length: usize,
    ) -> Result<Positions, EngineError> {
        if self.family.architecture == "baichuan" && layers == BAICHUAN_13B_LAYERS {
            let max_bias = Some(BAICHUAN_13B_MAX_BIAS);
            return Ok(Positions::Alibi {
                max_bias: self.positive("attention.max_alibi_bias", max_bias)?,
            });
        }
        let scaling = self.scaling(context_length)?;
        Ok(Positions::Rotary {
            dimensions: self
                .optional_count("rope.dimension_count", MAX_HEAD_VALUES)?
                .unwrap_or(head_size),
            base: self.positive("rope.freq_base", Some(10_000.0))?,
            scaling,
            magnitude: self.magnitude(scaling)?,
            order: self.family.order,
        })
    }

    /// How positions are stretched. A factor of 0 is unset, as in llama.cpp.
    fn scaling(&self, context_length: usize) -> Result<RotaryScaling, EngineError> {
        let key = format!("{}.rope.scaling.type", self.family.architecture);
        let factor = match self.float("rope.scaling.factor")? {
            Some(factor) => Some(factor),
            None => self.float("rope.scale_linear")?,
        };
        let factor = factor.filter(|factor| *factor != 0.0);
        match self.file.metadata().string(&key).map_err(model)? {
            Some("none") => Ok(RotaryScaling::None),
            None | Some("linear") => {
                Ok(
                    factor.map_or(RotaryScaling::None, |factor| RotaryScaling::Linear {
                        factor,
                    }),
                )
            }
            Some("yarn") => {
                let original = "rope.scaling.original_context_length";
                Ok(RotaryScaling::Yarn(Yarn {
                    factor: self.positive("rope.scaling.factor", factor)?,
                    original_context: self
                        .optional_count(original, MAX_POSITIONS)?
                        .unwrap_or(context_length),
                    beta_fast: self.positive("rope.scaling.yarn_beta_fast", Some(32.0))?,
                    beta_slow: self.positive("rope.scaling.yarn_beta_slow", Some(1.0))?,
                }))
            }
            Some(other) => Err(EngineError::Model(format!(
                "{key} is \"{other}\"; \"none\", \"linear\" and \"yarn\" are supported (Llama 3.1's \
                 scaling comes as the tensor rope_freqs.weight)"
            ))),
        }
    }

    /// What rotated values are multiplied by.
    fn magnitude(&self, scaling: RotaryScaling) -> Result<f32, EngineError> {
        let own = match scaling {
            RotaryScaling::Yarn(Yarn { factor, .. }) => {
                let default = 1.0 + 0.1 * factor.max(1.0).ln();
                self.positive("rope.scaling.yarn_attn_factor", Some(default))?
            }
            RotaryScaling::None | RotaryScaling::Linear { .. } => 1.0,
        };
        Ok(own * self.positive("rope.scaling.attn_factor", Some(1.0))?)
    }

    /// Experts, where the family and the file have them.
    fn experts(&self) -> Result<Option<Experts>, EngineError> {
        let architecture = self.family.architecture;
        let key = format!("{architecture}.expert_count");
        // Dense files of families that may have experts say 0, or nothing.
        let count = self.file.metadata().unsigned(&key).map_err(model)?;
        let found = count.is_some_and(|count| count > 0);
        if self.family.experts == Part::Absent && found {
            return Err(EngineError::Model(format!(
                "{key} is {}; models of architecture \"{architecture}\" have no experts here",
                count.unwrap_or(0)
            )));
        }
        if !self.family.experts.is_there(found) {
            return Ok(None);
        }
        let count = self.count("expert_count", 4096)?;
        let used = self.count("expert_used_count", 256)?;
        if used > count {
            return Err(EngineError::Model(format!(
                "{architecture}.expert_used_count is {used}, expert_count only {count}"
            )));
        }
        let norm = format!("{architecture}.expert_weights_norm");
        let normed = self.file.metadata().boolean(&norm).map_err(model)?;
        // 0 is unset, as in llama.cpp.
        let scale = self
            .float("expert_weights_scale")?
            .filter(|scale| *scale != 0.0);
        Ok(Some(Experts {
            count,
            used,
            normed: normed.unwrap_or(self.family.expert_weights_normed),
            scale: scale.unwrap_or(1.0),
            shared_length: match self.family.shared_expert {
                Part::Absent => None,
                _ => Some(self.shared_length()?),
            },
        }))
    }
}

/// The beginning of a name, with blanks for control characters, which would act on a terminal.
fn line_of(name: &str) -> String {
    let shown = |character: char| match character.is_control() {
        true => ' ',
        false => character,
    };
    name.chars().take(MAX_NAME_CHARACTERS).map(shown).collect()
}

/// A metadata error as the engine's.
fn model(error: sysinfer_formats::GgufError) -> EngineError {
    EngineError::Model(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_lines() {
        let cases = [
            ("Llama 3 8B", "Llama 3 8B"),
            ("a\u{1b}[2Jb\nc\u{9b}d\u{7f}", "a [2Jb c d "),
            ("\u{6a21}\u{578b}", "\u{6a21}\u{578b}"),
        ];
        for (name, expected) in cases {
            assert_eq!(line_of(name), expected, "{name:?}");
        }
        let long = "\u{6a21}".repeat(70_000);
        assert_eq!(line_of(&long).chars().count(), MAX_NAME_CHARACTERS);
    }
}
