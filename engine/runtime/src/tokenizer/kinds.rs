//! The kinds of tokenizer that `tokenizer.ggml.model` names and that are not built here, so that a
//! file of one is refused with what it is.

use super::error::TokenizerError;

/// Name and kind of each.
pub(super) const UNSUPPORTED: &[(&str, &str)] = &[
    ("bert", "WordPiece, of BERT and other embedding models"),
    ("t5", "SentencePiece Unigram, of T5 and XLM-RoBERTa"),
    ("rwkv", "the greedy tokenizer of RWKV"),
    ("plamo2", "the tokenizer of PLaMo 2"),
    ("gemma4", "BPE over UTF-8 with byte pieces, of Gemma 4"),
    ("hybriddna", "BPE with pieces for DNA"),
    (
        "whitespace",
        "words between white space, of an embedding model",
    ),
    ("test", "llama.cpp's own, for its tests"),
];

/// The error for a file of the kind called `name`.
pub(super) fn unsupported(name: &str) -> TokenizerError {
    let kind = UNSUPPORTED.iter().find(|(known, _)| *known == name);
    TokenizerError::UnsupportedModel {
        name: name.chars().take(80).collect(),
        what: kind
            .map(|(_, what)| format!(" ({what})"))
            .unwrap_or_default(),
    }
}
