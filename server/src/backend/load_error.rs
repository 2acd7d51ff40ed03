//! What can be wrong with what is to be served.

use std::path::PathBuf;

use bytesize::ByteSize;
use sysinfer_engine::EngineError;

use crate::prompt::builtin;
use crate::prompt::template::TemplateError;

/// Why a model cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The engine refuses the file or the plan.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A model without text.
    #[error("{0} has no tokenizer, so it cannot chat; use a GGUF file that includes one")]
    NoTokenizer(PathBuf),
    /// The chat template is broken.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// `--chat-template` is neither a name nor a readable file.
    #[error(
        "--chat-template {name}: {problem}; give a Jinja file, or one of {}",
        builtin::names()
    )]
    TemplateFile {
        /// What was given.
        name: String,
        /// Why it cannot be read.
        problem: String,
    },
    /// A cache without room for one request.
    #[error(
        "the KV cache has room for {tokens} tokens, but one request may have {context} (--context): give it {} (--kv-memory), or half of that with --cache-type q8_0, or ask for a shorter context",
        needed.display().si()
    )]
    Cache {
        /// Tokens of a request.
        context: usize,
        /// Bytes of their keys and values.
        needed: ByteSize,
        /// Tokens there is room for.
        tokens: usize,
    },
    /// More context than the model was made for.
    #[error("--context {asked} is more than the {model} tokens that the model was made for")]
    Context {
        /// What was asked.
        asked: usize,
        /// What there is.
        model: usize,
    },
}
