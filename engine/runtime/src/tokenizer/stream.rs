//! Tokens to text, one token at a time.
//!
//! A token can end inside a character, and text that has been sent cannot be taken back: what is
//! not yet a whole character waits for the next token.

use std::sync::Arc;

use super::Tokenizer;

/// Turns the tokens of one answer into text as they come.
///
/// All that it hands out, joined, is what [`Tokenizer::decode`] makes of the same tokens.
#[derive(Debug, Clone)]
pub struct TextStream {
    tokenizer: Arc<Tokenizer>,
    specials: bool,
    at_start: bool,
    pending: Vec<u8>,
    ready: String,
}

impl TextStream {
    /// Starts a stream. `previous` is the token before the first one, the last of the prompt: a
    /// SentencePiece token begins with a space that belongs to the text after other text, and is
    /// left out where a text begins, which is where `previous` is `None` or a control token. With
    /// `specials`, control tokens appear by their names.
    #[must_use]
    pub fn new(tokenizer: Arc<Tokenizer>, previous: Option<u32>, specials: bool) -> Self {
        let at_start = previous.is_none_or(|token| tokenizer.is_control(token));
        Self {
            tokenizer,
            specials,
            at_start,
            pending: Vec::new(),
            ready: String::new(),
        }
    }

    /// Takes the next token and returns the text that is complete now, often none. Bytes that can
    /// be no part of any character become U+FFFD.
    pub fn push(&mut self, token: u32) -> &str {
        self.tokenizer
            .append(token, self.specials, &mut self.at_start, &mut self.pending);
        self.ready.clear();
        let used = take_complete(&self.pending, &mut self.ready);
        self.pending.drain(..used);
        &self.ready
    }

    /// Ends the text: returns what was waiting, as U+FFFD because it never became a character.
    pub fn flush(&mut self) -> &str {
        self.ready.clear();
        self.ready.push_str(&String::from_utf8_lossy(&self.pending));
        self.pending.clear();
        &self.ready
    }
}

/// Appends the whole characters of `bytes` to `text` and returns how many bytes they took; the rest
/// is the start of a character.
fn take_complete(bytes: &[u8], text: &mut String) -> usize {
    let mut used = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        used += chunk.valid().len();
        let invalid = chunk.invalid();
        let is_last = used + invalid.len() == bytes.len();
        if is_last && is_unfinished(invalid) {
            break;
        }
        if !invalid.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
            used += invalid.len();
        }
    }
    used
}

/// Whether more bytes could make a character of these.
fn is_unfinished(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}
