//! What can be wrong with a vocabulary, named by the metadata key that holds it.

use sysinfer_formats::GgufError;
use thiserror::Error;

/// Why no tokenizer could be made from a model file.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A key is missing or has the wrong type.
    #[error(transparent)]
    Metadata(#[from] GgufError),
    /// The kind of tokenizer is not one that is built here.
    #[error(
        "tokenizer.ggml.model is {name:?}{what}, which is not supported; \"gpt2\" (byte-level BPE) \
         and \"llama\" (SentencePiece BPE) are"
    )]
    UnsupportedModel {
        /// What the file says.
        name: String,
        /// What kind that is, in parentheses; empty where it is not known.
        what: String,
    },
    /// The way of cutting text into words is not known, or not built.
    #[error("tokenizer.ggml.pre is {name:?}, which is not supported{why}; these are: {supported}")]
    UnsupportedPreTokenizer {
        /// What the file says.
        name: String,
        /// Why not, in parentheses; empty where the name is not known.
        why: String,
        /// The names that are known, separated by commas.
        supported: String,
    },
    /// An array does not have one entry per token.
    #[error(
        "{key} has {found} entries, but tokenizer.ggml.tokens has {wanted}; convert the model again"
    )]
    Length {
        /// The metadata key.
        key: &'static str,
        /// Its number of entries.
        found: usize,
        /// The number of tokens.
        wanted: usize,
    },
    /// There are no tokens, or more than ids can number.
    #[error("tokenizer.ggml.tokens has {found} entries; 1 to 2147483647 are allowed")]
    VocabularySize {
        /// The number of entries.
        found: usize,
    },
    /// An id points beyond the vocabulary.
    #[error("{key} is {id}, but the vocabulary has {size} tokens; convert the model again")]
    TokenOutOfRange {
        /// The metadata key.
        key: &'static str,
        /// The id in the file.
        id: u64,
        /// The number of tokens.
        size: usize,
    },
    /// A token should be added to every text, but the file does not say which.
    #[error("{flag} is true, but {key} is missing; convert the model again")]
    MissingToken {
        /// The flag that asks for the token.
        flag: &'static str,
        /// The key that should name it.
        key: &'static str,
    },
    /// One entry of an array cannot be used.
    #[error("{key}[{index}] is {found}; {allowed}")]
    Entry {
        /// The metadata key.
        key: &'static str,
        /// The position in the array.
        index: usize,
        /// What stands there.
        found: String,
        /// What may stand there.
        allowed: &'static str,
    },
    /// The merges do not fit the vocabulary.
    #[error(
        "tokenizer.ggml.merges does not fit tokenizer.ggml.tokens: {reason}; convert the model again"
    )]
    Merges {
        /// What the merge table said.
        reason: String,
    },
}
