//! What can go wrong between a file and its tokens.

use std::path::PathBuf;

use sysinfer_formats::GgufError;
use sysinfer_machine::MachineError;

use crate::kv::NoRoom;
use crate::kv::pool::TakeError;
use crate::not_finite::NotFinite;
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
    /// Live sequences leave the cache no room.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
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

impl From<TakeError> for EngineError {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::NoRoom(error) => EngineError::NoRoom(error),
            TakeError::Memory(error) => EngineError::Machine(error),
        }
    }
}

/// The messages of an error and its causes, without causes that a message quotes already: how programs show
/// an error, in one line.
pub fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    for cause in causes.map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says what it was told, and has a cause.
    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Failure {
        text: &'static str,
        source: std::io::Error,
    }

    #[test]
    fn causes_are_said_once() {
        let source = || std::io::Error::other("no such file");
        let text = "cannot read x: no such file; try y";
        let quoting = Failure {
            text,
            source: source(),
        };
        assert_eq!(whole(&quoting), text);
        let text = "cannot read x";
        let adding = Failure {
            text,
            source: source(),
        };
        assert_eq!(whole(&adding), "cannot read x: no such file");
        let file = EngineError::File {
            path: "m.gguf".into(),
            source: GgufError::Empty,
        };
        assert_eq!(whole(&file), file.to_string());
        let tokenizer = EngineError::from(TokenizerError::VocabularySize { found: 0 });
        assert_eq!(whole(&tokenizer), tokenizer.to_string());
    }
}
