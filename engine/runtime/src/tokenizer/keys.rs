//! The metadata keys of a tokenizer, and what becomes of each: those of the GGUF specification
//! (`docs/gguf.md` in the ggml repository, "Tokenizer") and those that llama.cpp reads or its
//! converters write. `docs/en/tokenizers.md` says why, row by row; a test holds it to this table.

use sysinfer_formats::Metadata;

use super::notes::Names;

/// What all keys of a vocabulary begin with.
const PREFIX: &str = "tokenizer.ggml.";

pub(super) const MODEL: &str = "tokenizer.ggml.model";
pub(super) const PRE: &str = "tokenizer.ggml.pre";
pub(super) const TOKENS: &str = "tokenizer.ggml.tokens";
pub(super) const TOKEN_TYPE: &str = "tokenizer.ggml.token_type";
pub(super) const SCORES: &str = "tokenizer.ggml.scores";
pub(super) const MERGES: &str = "tokenizer.ggml.merges";
pub(super) const BOS: &str = "tokenizer.ggml.bos_token_id";
pub(super) const EOS: &str = "tokenizer.ggml.eos_token_id";
pub(super) const EOT: &str = "tokenizer.ggml.eot_token_id";
pub(super) const EOM: &str = "tokenizer.ggml.eom_token_id";
pub(super) const UNKNOWN: &str = "tokenizer.ggml.unknown_token_id";
pub(super) const FIM_PAD: &str = "tokenizer.ggml.fim_pad_token_id";
pub(super) const FIM_REP: &str = "tokenizer.ggml.fim_rep_token_id";
pub(super) const FIM_SEP: &str = "tokenizer.ggml.fim_sep_token_id";
pub(super) const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";
pub(super) const ADD_EOS: &str = "tokenizer.ggml.add_eos_token";
pub(super) const ADD_SPACE_PREFIX: &str = "tokenizer.ggml.add_space_prefix";
pub(super) const SUPPRESSED: &str = "tokenizer.ggml.suppress_tokens";

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Followed; what it cannot say is refused by name.
    Honoured,
    /// The id of a token that is a control token, whatever type the file gives it, and nothing more
    /// here.
    Control,
    /// The id of a token that plays no part here; noted if the vocabulary has no such token.
    Unused,
    /// Without effect on the vocabularies that are supported.
    WithoutEffect,
}

/// Every key that is known.
pub(super) const KEYS: &[(&str, Use)] = &[
    (MODEL, Use::Honoured),
    (PRE, Use::Honoured),
    (TOKENS, Use::Honoured),
    (TOKEN_TYPE, Use::Honoured),
    (SCORES, Use::Honoured),
    (MERGES, Use::Honoured),
    (BOS, Use::Honoured),
    (EOS, Use::Honoured),
    (EOT, Use::Honoured),
    (EOM, Use::Honoured),
    (UNKNOWN, Use::Honoured),
    (FIM_PAD, Use::Honoured),
    (FIM_REP, Use::Honoured),
    (FIM_SEP, Use::Honoured),
    (ADD_BOS, Use::Honoured),
    (ADD_EOS, Use::Honoured),
    (ADD_SPACE_PREFIX, Use::Honoured),
    (SUPPRESSED, Use::Honoured),
    ("tokenizer.ggml.fim_pre_token_id", Use::Control),
    ("tokenizer.ggml.fim_suf_token_id", Use::Control),
    ("tokenizer.ggml.fim_mid_token_id", Use::Control),
    ("tokenizer.ggml.prefix_token_id", Use::Control),
    ("tokenizer.ggml.suffix_token_id", Use::Control),
    ("tokenizer.ggml.middle_token_id", Use::Control),
    ("tokenizer.ggml.seperator_token_id", Use::Unused),
    ("tokenizer.ggml.padding_token_id", Use::Unused),
    ("tokenizer.ggml.cls_token_id", Use::Unused),
    ("tokenizer.ggml.mask_token_id", Use::Unused),
    ("tokenizer.ggml.add_sep_token", Use::WithoutEffect),
    ("tokenizer.ggml.token_type_count", Use::WithoutEffect),
    (
        "tokenizer.ggml.remove_extra_whitespaces",
        Use::WithoutEffect,
    ),
    ("tokenizer.ggml.precompiled_charsmap", Use::WithoutEffect),
    ("tokenizer.ggml.normalizer.lowercase", Use::WithoutEffect),
    (
        "tokenizer.ggml.normalizer.strip_accents",
        Use::WithoutEffect,
    ),
    ("tokenizer.ggml.added_tokens", Use::WithoutEffect),
    ("tokenizer.huggingface.json", Use::WithoutEffect),
    ("tokenizer.rwkv.world", Use::WithoutEffect),
];

/// The keys of ids that have the use `wanted`.
pub(super) fn with_use(wanted: Use) -> impl Iterator<Item = &'static str> {
    let keys = KEYS.iter().filter(move |(_, found)| *found == wanted);
    keys.map(|(key, _)| *key)
}

/// Notes keys of the vocabulary that are not known: they have no effect.
pub(super) fn note_unknown(metadata: &Metadata<'_>, notes: &mut Vec<String>) {
    let mut unknown = Names::default();
    for (key, _) in metadata.iter() {
        if key.starts_with(PREFIX) && !KEYS.iter().any(|(known, _)| *known == key) {
            unknown.push(key.as_bytes());
        }
    }
    if !unknown.is_empty() {
        notes.push(format!("{unknown}: not known here, without effect"));
    }
}
