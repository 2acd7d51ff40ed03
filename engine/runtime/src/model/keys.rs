//! What becomes of every key that describes an architecture (`llama.rope.freq_base`): it is honoured, it
//! is taken only with values that change nothing, or it is known to be without effect. A key that is in
//! no row is refused by its name: results could silently be wrong without it.
//!
//! The rows were made from all keys that llama.cpp reads for these architectures, the keys that its
//! converters write for them, and what the published configurations of these models hold.
//! `docs/en/model-files.md` shows them; a test holds it to this table.

use sysinfer_formats::{Metadata, Value};

use super::family::Family;
use crate::error::EngineError;

/// What is done with a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// It goes into the description of the model.
    Honoured,
    /// Taken with one of these values, which change nothing (`true` is 1; arrays if all their values
    /// are); refused with any other.
    Only(&'static [f64]),
    /// Known to change no result.
    WithoutEffect,
}

/// A key and what is done with it.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Without the architecture in front.
    pub name: &'static str,
    /// The architectures that the row is for; none: all that have no row of their own.
    pub architectures: &'static [&'static str],
    /// What is done.
    pub reading: Reading,
    /// What it says, or why it is not needed.
    pub what: &'static str,
}

const fn honoured(name: &'static str, what: &'static str) -> Key {
    key(name, Reading::Honoured, what)
}

const fn only(name: &'static str, values: &'static [f64], what: &'static str) -> Key {
    key(name, Reading::Only(values), what)
}

const fn without_effect(name: &'static str, what: &'static str) -> Key {
    key(name, Reading::WithoutEffect, what)
}

const fn key(name: &'static str, reading: Reading, what: &'static str) -> Key {
    let architectures = &[];
    Key {
        name,
        architectures,
        reading,
        what,
    }
}

impl Key {
    const fn of(self, architectures: &'static [&'static str]) -> Key {
        Key {
            architectures,
            ..self
        }
    }
}

/// Every key that is known.
#[rustfmt::skip]
pub static KEYS: &[Key] = &[
    // Shape.
    honoured("block_count", "decoder layers"),
    honoured("context_length", "positions that the model was made for"),
    honoured("embedding_length", "width of the residual stream"),
    honoured("feed_forward_length", "width of the feed-forward network"),
    honoured("attention.head_count", "query heads"),
    honoured("attention.head_count_kv", "heads with keys and values; as many as query heads if it is missing"),
    honoured("attention.key_length", "values per head; width / heads if it is missing"),
    honoured("attention.value_length", "must equal the key length"),
    honoured("attention.layer_norm_rms_epsilon", "epsilon of the norms"),
    without_effect("vocab_size", "the rows of token_embd.weight are the vocabulary"),
    without_effect("tensor_data_layout", "a note on where the weights come from"),
    without_effect("attention.layer_norm_epsilon", "these models have root mean square norms only"),
    // Positions.
    honoured("rope.dimension_count", "values of a head that are rotated"),
    honoured("rope.freq_base", "base of the rotary frequencies"),
    honoured("rope.scaling.type", "none, linear or yarn; linear if it is missing; longrope and others are refused"),
    honoured("rope.scaling.factor", "how many times longer the context is"),
    honoured("rope.scale_linear", "the factor in files of 2023"),
    honoured("rope.scaling.original_context_length", "YaRN: context before it was made longer; context_length if it is missing"),
    honoured("rope.scaling.attn_factor", "multiplies rotated queries and keys"),
    honoured("rope.scaling.yarn_attn_factor", "YaRN: stands in place of 1 + 0.1 ln(factor), as transformers' attention_factor does (llama.cpp ignores it)"),
    honoured("rope.scaling.yarn_beta_fast", "YaRN: turns from which on a frequency stays (32)"),
    honoured("rope.scaling.yarn_beta_slow", "YaRN: turns up to which a frequency is divided (1)"),
    only("rope.scaling.yarn_ext_factor", &[1.0, -1.0], "YaRN: share of the mixture; -1 is unset"),
    only("rope.scaling.yarn_log_multiplier", &[0.0], "YaRN of DeepSeek"),
    only("rope.scaling.alpha", &[0.0, 1.0], "NTK scaling of Hunyuan"),
    without_effect("rope.scaling.finetuned", "a note on the training"),
    only("rope.dimension_sections", &[0.0], "positions in several dimensions (images)"),
    honoured("attention.max_alibi_bias", "slopes of ALiBi, 8 if it is missing").of(&["baichuan"]),
    only("attention.max_alibi_bias", &[0.0], "slopes of ALiBi"),
    // Attention.
    honoured("attention.sliding_window", "sequences are limited to so many tokens, within which a window changes nothing"),
    only("attention.sliding_window_pattern", &[0.0], "layers with a window"),
    only("attention.causal", &[1.0], "a model that reads in both directions makes embeddings"),
    only("attention.scale", &[0.0], "0 is unset: 1 / sqrt(key length)"),
    only("attention.output_scale", &[0.0, 1.0], "scale of attention's output"),
    only("attention.value_scale", &[0.0, 1.0], "scale of values"),
    only("attention.temperature_length", &[0.0], "scale of queries by position"),
    only("attention.temperature_scale", &[0.0], "scale of queries by position"),
    only("attention.clamp_kqv", &[0.0], "bounds of queries, keys and values"),
    only("attn_logit_softcapping", &[0.0], "soft cap of scores"),
    // Experts.
    honoured("expert_count", "experts of a layer; 0 or missing: none"),
    honoured("expert_used_count", "experts that a token uses"),
    honoured("expert_feed_forward_length", "width of an expert"),
    honoured("expert_weights_norm", "whether the weights of the used experts are made to add up to 1; if it is missing, yes but for qwen2moe"),
    honoured("expert_weights_scale", "multiplies the weights of experts"),
    honoured("expert_shared_feed_forward_length", "width of the expert that every token uses").of(&["qwen2moe"]),
    without_effect("expert_shared_count", "expert_shared_feed_forward_length is the width of all of them").of(&["qwen2moe"]),
    only("expert_shared_feed_forward_length", &[0.0], "width of an expert that every token uses"),
    only("expert_shared_count", &[0.0], "experts that every token uses"),
    only("expert_gating_func", &[0.0, 1.0], "how experts are weighed; 1 is softmax, 0 unset"),
    only("expert_group_count", &[0.0, 1.0], "groups that experts are chosen from"),
    only("expert_group_used_count", &[0.0, 1.0], "groups that a token uses"),
    only("leading_dense_block_count", &[0.0], "layers without experts"),
    only("interleave_moe_layer_step", &[0.0, 1.0], "layers without experts"),
    only("moe_every_n_layers", &[0.0, 1.0], "layers without experts"),
    only("router_logit_softcapping", &[0.0], "soft cap of the router's scores"),
    // Scales and the rest of the graph.
    only("logit_scale", &[0.0, 1.0], "scale of logits; 0 is unset"),
    only("final_logit_softcapping", &[0.0], "soft cap of logits"),
    only("residual_scale", &[0.0, 1.0], "scale of what layers add; 0 is unset"),
    only("embedding_scale", &[0.0, 1.0], "scale of embeddings; 0 is unset"),
    only("use_parallel_residual", &[0.0], "attention and feed-forward side by side"),
    only("swiglu_clamp_exp", &[0.0], "bounds of experts' hidden values"),
    only("swiglu_clamp_shexp", &[0.0], "bounds of the shared expert's hidden values"),
    only("nextn_predict_layers", &[0.0], "layers that predict further tokens"),
    only("pooling_type", &[0.0], "an embedding model or a reranker: it makes vectors or scores, not text"),
];

/// The row of a key of an architecture.
pub fn row(architecture: &str, name: &str) -> Option<&'static Key> {
    let rows = || KEYS.iter().filter(|key| key.name == name);
    let own = rows().find(|key| key.architectures.contains(&architecture));
    own.or_else(|| rows().find(|key| key.architectures.is_empty()))
}

/// Refuses keys of the file's architecture that would change results and are not honoured.
///
/// # Errors
/// [`EngineError::Model`] names the key, its value and what to do.
pub(super) fn check(metadata: &Metadata<'_>, family: &Family) -> Result<(), EngineError> {
    let architecture = family.architecture;
    for (full, value) in metadata.iter() {
        let name = full.strip_prefix(architecture);
        let Some(name) = name.and_then(|rest| rest.strip_prefix('.')) else {
            continue;
        };
        match row(architecture, name).map(|key| (key, key.reading)) {
            Some((_, Reading::Honoured | Reading::WithoutEffect)) => {}
            Some((_, Reading::Only(values))) if is_one_of(value, values) => {}
            Some((key, Reading::Only(_))) => {
                return Err(EngineError::Model(format!(
                    "{full} is {} ({}); this engine does not do that for architecture \
                     \"{architecture}\", and results would be wrong without it",
                    shown(value),
                    key.what
                )));
            }
            None => {
                let full: String = full.escape_debug().take(MAX_SHOWN).collect();
                return Err(EngineError::Model(format!(
                    "{full} is not a key of architecture \"{architecture}\" that this engine knows, and \
                     results could be wrong without it; if it is only a note, write the file without it: \
                     gguf-new-metadata --remove-metadata {full} OLD.gguf NEW.gguf"
                )));
            }
        }
    }
    Ok(())
}

/// Characters of a key or value that a message shows.
const MAX_SHOWN: usize = 80;

fn is_one_of(value: &Value<'_>, values: &[f64]) -> bool {
    match value {
        Value::Array(array) => array.iter().all(|value| is_one_of(&value, values)),
        one => number(one).is_some_and(|number| values.contains(&number)),
    }
}

fn number(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::F64(number) => Some(*number),
        other => {
            let integer = other.as_integer().map(|integer| integer as f64);
            integer.or_else(|| other.as_float().map(f64::from))
        }
    }
}

/// A value in a message.
fn shown(value: &Value<'_>) -> String {
    match (value, number(value)) {
        (Value::Bool(flag), _) => flag.to_string(),
        (_, Some(number)) => number.to_string(),
        (Value::String(bytes), None) => {
            let text = String::from_utf8_lossy(bytes);
            format!(
                "\"{}\"",
                text.escape_debug().take(MAX_SHOWN).collect::<String>()
            )
        }
        (Value::Array(array), None) => format!("an array of {} values", array.len()),
        (_, None) => "of another type".into(),
    }
}
