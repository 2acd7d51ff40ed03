//! What the metadata of a model file says about its tokens, checked.
//!
//! The keys are those of the GGUF specification (`docs/gguf.md` in the ggml repository,
//! "Tokenizer"); the defaults of keys that a file leaves out are llama.cpp's.

use sysinfer_formats::Metadata;

use super::byte_strings::ByteStrings;
use super::error::TokenizerError;

pub(super) const TOKENS: &str = "tokenizer.ggml.tokens";
pub(super) const SCORES: &str = "tokenizer.ggml.scores";
const TOKEN_TYPE: &str = "tokenizer.ggml.token_type";
const BOS: &str = "tokenizer.ggml.bos_token_id";
const EOS: &str = "tokenizer.ggml.eos_token_id";
const EOT: &str = "tokenizer.ggml.eot_token_id";
const EOM: &str = "tokenizer.ggml.eom_token_id";
const UNKNOWN: &str = "tokenizer.ggml.unknown_token_id";
const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";
const ADD_EOS: &str = "tokenizer.ggml.add_eos_token";

/// Control tokens that end a turn although most files do not name them by a key: an answer ends at
/// any of them.
const TURN_ENDS: &[&str] = &[
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "<|EOT|>",
    "<EOT>",
    "</s>",
    "<｜end▁of▁sentence｜>",
];

/// Tokens that begin a turn or frame its role.
const TURN_STARTS: &[&str] = &["<|im_start|>", "<|start_header_id|>", "<|end_header_id|>"];

/// What a token is, by the numbers of `tokenizer.ggml.token_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Text, also 0 (undefined) and 5 (unused).
    Normal,
    /// 2: stands for text that cannot be written in tokens.
    Unknown,
    /// 3: steers the model; in text only where the caller allows it.
    Control,
    /// 4: text that is always one token.
    UserDefined,
    /// 6: one byte, written `<0xXX>`.
    Byte,
}

impl TokenKind {
    fn from_number(number: i64) -> Option<Self> {
        match number {
            0 | 1 | 5 => Some(Self::Normal),
            2 => Some(Self::Unknown),
            3 => Some(Self::Control),
            4 => Some(Self::UserDefined),
            6 => Some(Self::Byte),
            _ => None,
        }
    }

    /// Whether the token has no text of its own.
    pub(super) fn is_hidden(self) -> bool {
        matches!(self, Self::Control | Self::Unknown)
    }
}

/// What a kind of tokenizer does where the file does not say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Defaults {
    pub(super) bos: Option<u32>,
    pub(super) eos: Option<u32>,
    pub(super) unknown: Option<u32>,
    pub(super) adds_bos: bool,
}

/// The tokens of a model and their roles.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// The text of each token as the file spells it.
    pub(super) texts: ByteStrings,
    kinds: Vec<TokenKind>,
    pub(super) bos: Option<u32>,
    pub(super) eos: Option<u32>,
    pub(super) unknown: Option<u32>,
    pub(super) adds_bos: bool,
    pub(super) adds_eos: bool,
    /// Tokens that end an answer, sorted.
    ends: Vec<u32>,
}

impl Vocabulary {
    /// Reads the tokens and their kinds; the roles follow with [`Vocabulary::assign_roles`],
    /// because their defaults can depend on the tokens.
    pub(super) fn read_tokens(metadata: &Metadata<'_>) -> Result<Self, TokenizerError> {
        let tokens = metadata.strings(TOKENS)?.unwrap_or_default();
        if tokens.is_empty() || i32::try_from(tokens.len()).is_err() {
            return Err(TokenizerError::VocabularySize {
                found: tokens.len(),
            });
        }
        let kinds = read_kinds(metadata, tokens.len())?;
        let bytes = tokens.iter().map(|token| token.len()).sum();
        let mut texts = ByteStrings::with_capacity(tokens.len(), bytes);
        for token in tokens {
            texts.push_with(|bytes| bytes.extend_from_slice(token));
        }
        Ok(Self {
            texts,
            kinds,
            bos: None,
            eos: None,
            unknown: None,
            adds_bos: false,
            adds_eos: false,
            ends: Vec::new(),
        })
    }

    /// Reads which tokens begin and end texts.
    pub(super) fn assign_roles(
        &mut self,
        metadata: &Metadata<'_>,
        defaults: Defaults,
    ) -> Result<(), TokenizerError> {
        let size = self.len();
        let role = |key: &'static str, default: Option<u32>| match metadata.unsigned(key)? {
            None => Ok(default.filter(|&id| (id as usize) < size)),
            Some(id) => match u32::try_from(id) {
                Ok(token) if (token as usize) < size => Ok(Some(token)),
                _ => Err(TokenizerError::TokenOutOfRange { key, id, size }),
            },
        };
        self.bos = role(BOS, defaults.bos)?;
        self.eos = role(EOS, defaults.eos)?;
        self.unknown = role(UNKNOWN, defaults.unknown)?;
        let named_ends = [self.eos, role(EOT, None)?, role(EOM, None)?];
        self.adds_bos = read_flag(metadata, ADD_BOS, (BOS, self.bos))?.unwrap_or(defaults.adds_bos);
        self.adds_bos &= self.bos.is_some();
        self.adds_eos = read_flag(metadata, ADD_EOS, (EOS, self.eos))?.unwrap_or(false);
        let mut ends: Vec<u32> = named_ends.into_iter().flatten().collect();
        self.mark_well_known(&ends);
        let is_well_known =
            |&token: &u32| self.kind(token) == TokenKind::Control && is_turn_end(self.text(token));
        ends.extend((0..size as u32).filter(is_well_known));
        ends.sort_unstable();
        ends.dedup();
        self.ends = ends;
        Ok(())
    }

    /// Makes control tokens of those with a well-known name that the file calls user-defined, or
    /// normal although one of its keys names them: converters have written both, and a user's text
    /// must not become such a token. (A normal `</s>` that no key names is Qwen's HTML tag.)
    fn mark_well_known(&mut self, named: &[u32]) {
        for (index, kind) in self.kinds.iter_mut().enumerate() {
            let is_named = || named.iter().any(|&token| token as usize == index);
            let is_user_defined = *kind == TokenKind::UserDefined;
            let is_meant = is_user_defined || *kind == TokenKind::Normal && is_named();
            let text = self.texts.get(index);
            if is_meant && is_turn_end(text) || is_user_defined && is_turn_start(text) {
                *kind = TokenKind::Control;
            }
        }
    }

    /// How many tokens there are.
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The text of a token as the file spells it; empty for an id beyond the vocabulary.
    pub(super) fn text(&self, token: u32) -> &[u8] {
        self.texts.get(token as usize)
    }

    /// What a token is; an id beyond the vocabulary counts as normal.
    pub(super) fn kind(&self, token: u32) -> TokenKind {
        self.kinds
            .get(token as usize)
            .copied()
            .unwrap_or(TokenKind::Normal)
    }

    /// Whether an answer ends at this token.
    pub(super) fn is_end(&self, token: u32) -> bool {
        self.ends.binary_search(&token).is_ok()
    }

    /// All tokens with their kinds and texts, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, TokenKind, &[u8])> {
        let numbered = (0_u32..).zip(&self.kinds).zip(self.texts.iter());
        numbered.map(|((token, &kind), text)| (token, kind, text))
    }
}

/// A flag that asks for a token in every text, if the file has it. `token` is the key that names
/// the token, and the token.
fn read_flag(
    metadata: &Metadata<'_>,
    flag: &'static str,
    token: (&'static str, Option<u32>),
) -> Result<Option<bool>, TokenizerError> {
    match (metadata.boolean(flag)?, token) {
        (Some(true), (key, None)) => Err(TokenizerError::MissingToken { flag, key }),
        (asked, _) => Ok(asked),
    }
}

/// Whether a token's name says that it ends a turn.
fn is_turn_end(text: &[u8]) -> bool {
    TURN_ENDS.iter().any(|end| end.as_bytes() == text)
}

/// Whether a token's name says that it begins a turn.
fn is_turn_start(text: &[u8]) -> bool {
    TURN_STARTS.iter().any(|start| start.as_bytes() == text)
}

/// The kind of every token; normal where the file does not say.
fn read_kinds(metadata: &Metadata<'_>, wanted: usize) -> Result<Vec<TokenKind>, TokenizerError> {
    let Some(numbers) = metadata.integers(TOKEN_TYPE)? else {
        return Ok(vec![TokenKind::Normal; wanted]);
    };
    check_length(TOKEN_TYPE, numbers.len(), wanted)?;
    let kind = |(index, number): (usize, i64)| {
        TokenKind::from_number(number).ok_or(TokenizerError::Entry {
            key: TOKEN_TYPE,
            index,
            found: number.to_string(),
            allowed: "0 to 6 are allowed",
        })
    };
    numbers.enumerate().map(kind).collect()
}

/// Checks that an array has one entry per token.
pub(super) fn check_length(
    key: &'static str,
    found: usize,
    wanted: usize,
) -> Result<(), TokenizerError> {
    if found == wanted {
        Ok(())
    } else {
        Err(TokenizerError::Length { key, found, wanted })
    }
}

/// The byte that a text of the form `<0xXX>` stands for.
pub(super) fn byte_of(text: &[u8]) -> Option<u8> {
    let digits = text.strip_prefix(b"<0x")?.strip_suffix(b">")?;
    let &[high, low] = digits else {
        return None;
    };
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_from_their_spelling() {
        let cases: [(&[u8], Option<u8>); 7] = [
            (b"<0x0A>", Some(10)),
            (b"<0xff>", Some(255)),
            (b"<0x0A", None),
            (b"<0x1>", None),
            (b"<0x100>", None),
            (b"<0x+1>", None),
            (b"<0x\xff\xff>", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(byte_of(text), wanted, "{}", text.escape_ascii());
        }
    }
}
