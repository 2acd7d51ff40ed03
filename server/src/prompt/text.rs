//! Texts that are no conversations: their tokens, and the text of tokens.

use std::sync::Arc;

use sysinfer_engine::Tokenizer;
use sysinfer_engine::tokenizer::{Segment, TooManyTokens};

/// How a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The token that begins a text comes first, where the model wants one and the text does not write it.
    pub begins: bool,
    /// Control tokens that are written in the text are those tokens.
    pub reads_specials: bool,
}

/// Turns texts into tokens and back; shared by all requests.
pub trait TextEncoder: Send + Sync {
    /// The tokens of a text, unless there are more than `most_tokens`.
    ///
    /// # Errors
    /// [`TooManyTokens`].
    fn encode(
        &self,
        text: &str,
        reading: Reading,
        most_tokens: usize,
    ) -> Result<Vec<u32>, TooManyTokens>;

    /// The text of tokens, control tokens by their names.
    fn decode(&self, tokens: &[u32]) -> String;

    /// The bytes of one token, which may be part of a character: those that it adds to a text, or its name.
    fn piece(&self, token: u32) -> Vec<u8>;
}

/// The texts of one model.
#[derive(Debug)]
pub struct ModelText(Arc<Tokenizer>);

impl From<Arc<Tokenizer>> for ModelText {
    fn from(tokenizer: Arc<Tokenizer>) -> Self {
        Self(tokenizer)
    }
}

impl TextEncoder for ModelText {
    fn encode(
        &self,
        text: &str,
        reading: Reading,
        most_tokens: usize,
    ) -> Result<Vec<u32>, TooManyTokens> {
        let segment = Segment {
            text,
            parse_special: reading.reads_specials,
        };
        let mut tokens = (self.0).encode_segments_within(&[segment], false, most_tokens)?;
        let begins = reading.begins && self.0.adds_bos();
        if let Some(bos) = self.0.bos().filter(|_| begins)
            && tokens.first() != Some(&bos)
        {
            tokens.insert(0, bos);
        }
        Ok(tokens)
    }

    fn decode(&self, tokens: &[u32]) -> String {
        self.0.decode(tokens, true)
    }

    fn piece(&self, token: u32) -> Vec<u8> {
        match self.0.piece(token) {
            [] => self.0.token_text(token).as_bytes().to_vec(),
            piece => piece.to_vec(),
        }
    }
}
