//! Finding the tokens that are written out in a text: control tokens and user-defined ones.
//!
//! The tokens are sorted by their texts; at each position of a text those that agree with it so far
//! are a run of them, which is narrowed byte by byte. So the time per position is bounded by the
//! longest such token, however many there are, and the memory is one number per token. At each
//! position the longest one wins.

use std::borrow::Cow;
use std::ops::Range;

use super::error::TokenizerError;
use super::keys::TOKENS;
use super::vocabulary::{TokenKind, Vocabulary};

/// The longest token that may be written out; real ones have some dozens of bytes. Without a bound,
/// a text of beginnings of a long token would take quadratic time.
pub(super) const MAX_BYTES: usize = 512;

/// A part of a text to encode.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fragment<'t> {
    /// Text that the model's own rules cut into tokens.
    Text(Cow<'t, str>),
    /// A token that was written out.
    Token(u32),
}

/// The written-out tokens of a vocabulary.
#[derive(Debug)]
pub(super) struct Specials {
    /// Ids in the order of their texts; of two with one text, only the last.
    tokens: Vec<u32>,
    /// Where in `tokens` those are that start with a byte: most positions of a text have none.
    starts: Box<[Range<u32>; 256]>,
}

impl Specials {
    /// Collects the control, unknown and user-defined tokens.
    pub(super) fn new(vocabulary: &Vocabulary) -> Result<Self, TokenizerError> {
        let mut tokens = Vec::new();
        for (token, kind, text) in vocabulary.iter() {
            let is_written = kind.is_hidden() || kind == TokenKind::UserDefined;
            // A text is UTF-8, so a token that is not would cut a character.
            if !is_written || text.is_empty() || std::str::from_utf8(text).is_err() {
                continue;
            }
            if text.len() > MAX_BYTES {
                return Err(TokenizerError::Entry {
                    key: TOKENS,
                    index: token as usize,
                    found: format!("a control or user-defined token of {} bytes", text.len()),
                    allowed: "such tokens may have 512",
                });
            }
            tokens.push(token);
        }
        tokens.sort_unstable_by_key(|&token| (vocabulary.text(token), std::cmp::Reverse(token)));
        tokens.dedup_by_key(|token| vocabulary.text(*token));
        let first = |token: &u32| vocabulary.text(*token).first().copied();
        let bound =
            |byte: usize| tokens.partition_point(|token| first(token) < Some(byte as u8)) as u32;
        let end =
            |byte: usize| tokens.partition_point(|token| first(token) <= Some(byte as u8)) as u32;
        Ok(Self {
            starts: Box::new(std::array::from_fn(|byte| bound(byte)..end(byte))),
            tokens,
        })
    }

    /// Appends `text` to `fragments`, cut at the tokens written in it: user-defined ones always,
    /// control and unknown ones only if `parse_special`. `vocabulary` is the one that this was made
    /// for.
    pub(super) fn split<'t>(
        &self,
        vocabulary: &Vocabulary,
        text: &'t str,
        parse_special: bool,
        fragments: &mut Vec<Fragment<'t>>,
    ) {
        let bytes = text.as_bytes();
        let mut text_start = 0;
        let mut position = 0;
        while position < bytes.len() {
            match self.longest(vocabulary, &bytes[position..], parse_special) {
                None => position += 1,
                Some((token, length)) => {
                    push_text(fragments, &text[text_start..position]);
                    fragments.push(Fragment::Token(token));
                    position += length;
                    text_start = position;
                }
            }
        }
        push_text(fragments, &text[text_start..]);
    }

    /// The longest token that `bytes` starts with, and its length in bytes.
    fn longest(
        &self,
        vocabulary: &Vocabulary,
        bytes: &[u8],
        parse_special: bool,
    ) -> Option<(u32, usize)> {
        let run = &self.starts[usize::from(*bytes.first()?)];
        let mut run = &self.tokens[run.start as usize..run.end as usize];
        let mut longest = None;
        // All of `run` agree with the first `length` bytes.
        for length in 1.. {
            // The shortest comes first.
            let &token = run.first()?;
            if vocabulary.text(token).len() == length {
                if parse_special || !vocabulary.kind(token).is_hidden() {
                    longest = Some((token, length));
                }
                run = &run[1..];
            }
            let Some(next) = bytes.get(length) else {
                break;
            };
            let at = |token: &u32| vocabulary.text(*token)[length];
            let start = run.partition_point(|token| at(token) < *next);
            let count = run[start..].partition_point(|token| at(token) == *next);
            run = &run[start..start + count];
            if run.is_empty() {
                break;
            }
        }
        longest
    }
}

/// Appends text, to the last fragment if that is text too: words may reach over the seam between a
/// template and what was put into it.
fn push_text<'t>(fragments: &mut Vec<Fragment<'t>>, text: &'t str) {
    match fragments.last_mut() {
        _ if text.is_empty() => {}
        Some(Fragment::Text(before)) => before.to_mut().push_str(text),
        _ => fragments.push(Fragment::Text(Cow::Borrowed(text))),
    }
}
