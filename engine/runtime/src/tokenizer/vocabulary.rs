//! The tokens of a model file and their kinds, checked. What part each plays is in `roles`.

use sysinfer_formats::Metadata;

use super::byte_strings::ByteStrings;
use super::error::TokenizerError;
use super::keys::{TOKEN_TYPE, TOKENS};

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

/// The tokens of a model.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// The text of each token as the file spells it.
    pub(super) texts: ByteStrings,
    kinds: Vec<TokenKind>,
}

impl Vocabulary {
    /// Reads the tokens, and their kinds as the file gives them.
    pub(super) fn from_gguf(metadata: &Metadata<'_>) -> Result<Self, TokenizerError> {
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
        Ok(Self { texts, kinds })
    }

    /// Makes a byte of every token that is spelled as one, whatever type the file gives it: the
    /// bytes of a text become these tokens, so they have to come back as bytes.
    pub(super) fn mark_bytes(&mut self) {
        for (kind, text) in self.kinds.iter_mut().zip(self.texts.iter()) {
            if byte_of(text).is_some() {
                *kind = TokenKind::Byte;
            }
        }
    }

    /// Makes a control token of `token`, which is one of the vocabulary.
    pub(super) fn mark_control(&mut self, token: u32) {
        self.kinds[token as usize] = TokenKind::Control;
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

    /// All tokens with their kinds and texts, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, TokenKind, &[u8])> {
        let numbered = (0_u32..).zip(&self.kinds).zip(self.texts.iter());
        numbered.map(|((token, &kind), text)| (token, kind, text))
    }
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
