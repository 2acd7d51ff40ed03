//! Text to tokens and back, from the vocabulary in a model file.
//!
//! Two kinds are built: byte-level BPE (`bpe`, with its ways of cutting words in `pretokenizers`)
//! and SentencePiece BPE (`spm`). What both share is here: what the file's keys mean (`keys`), which
//! tokens end an answer (`roles`, by keys, types and `names`), control tokens written in a text
//! (`specials`), and the bytes of each token, made once at load. `docs/en/tokenizers.md` is the same for
//! those who make files.
//!
//! Time grows with the length of a text as n log n at most, whatever the text.

mod bpe;
mod byte_level;
mod byte_strings;
mod encode;
mod error;
mod keys;
mod kinds;
mod merges;
mod names;
mod notes;
mod number_table;
mod pretokenizers;
mod roles;
mod specials;
mod spm;
mod stream;
mod vocabulary;

use std::borrow::Cow;

use sysinfer_formats::Metadata;

pub use encode::{Encode, Segment, TooManyTokens};
pub use error::TokenizerError;
pub use stream::TextStream;

use bpe::Bpe;
use byte_strings::ByteStrings;
use keys::MODEL;
use pretokenizers::Way;
use roles::{Defaults, Roles};
use specials::Specials;
use spm::Spm;
use vocabulary::{TokenKind, Vocabulary};

/// The merging rules of a vocabulary.
#[derive(Debug)]
enum Rules {
    Bpe(Box<Bpe>),
    Spm(Box<Spm>),
}

/// The tokenizer of one model; immutable, shared between threads.
#[derive(Debug)]
pub struct Tokenizer {
    vocabulary: Vocabulary,
    roles: Roles,
    /// The bytes of each token in text; for control tokens their name.
    pieces: ByteStrings,
    specials: Specials,
    rules: Rules,
    notes: Vec<String>,
}

/// The names of `tokenizer.ggml.pre` that are known, one list for each way of cutting text.
pub fn pre_tokenizers() -> impl Iterator<Item = &'static [&'static str]> {
    Way::all().map(|way| way.names)
}

impl Tokenizer {
    /// Builds the tokenizer that a model file describes; `None` when the file has no vocabulary
    /// (`tokenizer.ggml.model` is absent or `no_vocab`).
    ///
    /// # Errors
    /// [`TokenizerError`] when the kind of tokenizer is not supported, or a key is missing, has the
    /// wrong type or length, or points beyond the vocabulary. The message names the key.
    pub fn from_gguf(metadata: &Metadata<'_>) -> Result<Option<Self>, TokenizerError> {
        match metadata.string(MODEL)? {
            None | Some("no_vocab" | "none") => Ok(None),
            Some("gpt2") => Self::bpe(metadata).map(Some),
            Some("llama") => Self::spm(metadata).map(Some),
            Some(name) => Err(kinds::unsupported(name)),
        }
    }

    fn bpe(metadata: &Metadata<'_>) -> Result<Self, TokenizerError> {
        let mut notes = Vec::new();
        let mut vocabulary = Vocabulary::from_gguf(metadata)?;
        let way = Way::of(metadata, &vocabulary, &mut notes)?;
        let defaults = Defaults {
            bos: None,
            eos: None,
            unknown: None,
            adds_bos: way.adds_bos,
        };
        let unspelled =
            |vocabulary: &Vocabulary, tokens| bpe::unspelled(metadata, vocabulary, tokens);
        let roles = Roles::assign(metadata, &mut vocabulary, defaults, unspelled, &mut notes)?;
        let rules = Rules::Bpe(Box::new(Bpe::from_gguf(metadata, &vocabulary, way)?));
        Self::assemble(metadata, vocabulary, roles, rules, notes)
    }

    fn spm(metadata: &Metadata<'_>) -> Result<Self, TokenizerError> {
        let mut notes = Vec::new();
        let mut vocabulary = Vocabulary::from_gguf(metadata)?;
        vocabulary.mark_bytes();
        let defaults = Defaults {
            bos: Some(1),
            eos: Some(2),
            unknown: Some(0),
            adds_bos: true,
        };
        let unspelled = |vocabulary: &Vocabulary, tokens| Ok(spm::unspelled(vocabulary, tokens));
        let roles = Roles::assign(metadata, &mut vocabulary, defaults, unspelled, &mut notes)?;
        let spm = Spm::from_gguf(metadata, &vocabulary, roles.unknown)?;
        Self::assemble(
            metadata,
            vocabulary,
            roles,
            Rules::Spm(Box::new(spm)),
            notes,
        )
    }

    fn assemble(
        metadata: &Metadata<'_>,
        vocabulary: Vocabulary,
        roles: Roles,
        rules: Rules,
        mut notes: Vec<String>,
    ) -> Result<Self, TokenizerError> {
        // A piece is never longer than its text.
        let mut pieces =
            ByteStrings::with_capacity(vocabulary.len(), vocabulary.texts.total_bytes());
        for (_, kind, text) in vocabulary.iter() {
            pieces.push_with(|piece| match (kind, vocabulary::byte_of(text), &rules) {
                (TokenKind::Control | TokenKind::Unknown, ..) => piece.extend_from_slice(text),
                (TokenKind::Byte, Some(byte), _) => piece.push(byte),
                // Merging comes to user-defined tokens as well, so `▁` is a space in them too.
                (.., Rules::Spm(_)) => spm::decode(text, piece),
                // Of these, the file has the text itself.
                (TokenKind::UserDefined, ..) => piece.extend_from_slice(text),
                (.., Rules::Bpe(_)) => bpe::decode(text, piece),
            });
        }
        keys::note_unknown(metadata, &mut notes);
        Ok(Self {
            specials: Specials::new(&vocabulary)?,
            vocabulary,
            roles,
            pieces,
            rules,
            notes,
        })
    }

    /// What is odd about the vocabulary of the file, and what was made of it: one line each, for the
    /// log.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The number of tokens.
    #[must_use]
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary.len()
    }

    /// The text of tokens; what is not UTF-8 becomes U+FFFD. Control tokens appear, by their names,
    /// only with `specials`; ids beyond the vocabulary have no text.
    #[must_use]
    pub fn decode(&self, tokens: &[u32], specials: bool) -> String {
        String::from_utf8_lossy(&self.decode_bytes(tokens, specials)).into_owned()
    }

    /// The bytes of tokens: as [`Tokenizer::decode`], but nothing is replaced.
    ///
    /// The space that SentencePiece puts in front of a text is taken off again.
    #[must_use]
    pub fn decode_bytes(&self, tokens: &[u32], specials: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut at_start = true;
        for &token in tokens {
            self.append(token, specials, &mut at_start, &mut bytes);
        }
        bytes
    }

    /// Appends the bytes of one token. `at_start` says whether the text begins here, and is cleared
    /// once something visible has come.
    fn append(&self, token: u32, specials: bool, at_start: &mut bool, bytes: &mut Vec<u8>) {
        let piece = self.pieces.get(token as usize);
        let hidden = self.vocabulary.kind(token).is_hidden();
        if hidden && !specials {
            return;
        }
        let strips = *at_start && matches!(&self.rules, Rules::Spm(spm) if spm.adds_space_prefix);
        let stripped = piece.strip_prefix(b" ").filter(|_| strips && !hidden);
        bytes.extend_from_slice(stripped.unwrap_or(piece));
        *at_start &= hidden;
    }

    /// The bytes that one token adds to a text, which may be part of a character; none for control
    /// tokens and ids beyond the vocabulary.
    #[must_use]
    pub fn piece(&self, token: u32) -> &[u8] {
        if self.vocabulary.kind(token).is_hidden() {
            &[]
        } else {
            self.pieces.get(token as usize)
        }
    }

    /// A token as the model file spells it, with U+FFFD for what is not UTF-8: the name of a
    /// control token. Empty for ids beyond the vocabulary.
    #[must_use]
    pub fn token_text(&self, token: u32) -> Cow<'_, str> {
        String::from_utf8_lossy(self.vocabulary.text(token))
    }

    /// The token that begins a text.
    #[must_use]
    pub fn bos(&self) -> Option<u32> {
        self.roles.bos
    }

    /// The token that ends a text.
    #[must_use]
    pub fn eos(&self) -> Option<u32> {
        self.roles.eos
    }

    /// Whether [`Encode::add_special`] puts the BOS token in front.
    #[must_use]
    pub fn adds_bos(&self) -> bool {
        self.roles.adds_bos
    }

    /// Whether an answer is over at this token: EOS, and the tokens that end a turn, as the file's
    /// keys name them or by well-known names such as `<|eot_id|>`, whatever type the file gives them.
    #[must_use]
    pub fn is_end(&self, token: u32) -> bool {
        self.roles.ends.binary_search(&token).is_ok()
    }

    /// The tokens that the model must not say (`tokenizer.ggml.suppress_tokens`), sorted: for
    /// [`crate::Sampler::sample_without`].
    #[must_use]
    pub fn suppressed(&self) -> &[u32] {
        &self.roles.suppressed
    }

    /// Whether a token steers the model rather than standing for text.
    #[must_use]
    pub fn is_control(&self, token: u32) -> bool {
        self.vocabulary.kind(token) == TokenKind::Control
    }

    /// Whether a token has no place in text: control tokens, and the one that stands for what the
    /// vocabulary does not know.
    #[must_use]
    pub fn is_hidden(&self, token: u32) -> bool {
        self.vocabulary.kind(token).is_hidden()
    }
}

#[cfg(test)]
mod tests;
