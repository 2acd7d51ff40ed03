//! What can go wrong between a file and its tokens.

use std::path::PathBuf;

use sysinfer_formats::GgufError;
use sysinfer_machine::MachineError;

use crate::damage::NotFinite;
use crate::plan::PlanError;
use crate::tokenizer::TokenizerError;

/// Why a model could not be opened or a step not be run. The text is for users.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The file is not a GGUF that holds together.
    #[error("{}: {source}", path.display())]
    File {
        /// The model file.
        path: PathBuf,
        /// What its bytes say.
        source: GgufError,
    },
    /// The GGUF is well formed but not a model this engine runs.
    #[error("model: {0}")]
    Model(String),
    /// The tokenizer in the file cannot be used.
    #[error("tokenizer: {0}")]
    Tokenizer(#[from] TokenizerError),
    /// The plan asks for something impossible.
    #[error("plan: {0}")]
    Plan(#[from] PlanError),
    /// The host refused threads or memory.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// More tokens than the sequence or the model can hold.
    #[error("{asked} tokens do not fit: {limit_name} is {limit}")]
    Context {
        /// Tokens there would be.
        asked: usize,
        /// The limit they pass.
        limit: usize,
        /// Its name: `the context length of the model` or `the capacity of the sequence`.
        limit_name: &'static str,
    },
    /// Logits that no token can be drawn from.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
    /// A token id that is not in the vocabulary.
    #[error("token {token} is not in the vocabulary of {vocabulary_size} entries")]
    Token {
        /// The id.
        token: u32,
        /// Number of ids.
        vocabulary_size: usize,
    },
}
