//! SentencePiece BPE with byte fallback: the tokenizers of Llama 1 and 2, Mistral 7B, Baichuan.
//!
//! (Kudo and Richardson, "SentencePiece", 2018.) There are no words: spaces become `▁` and the two
//! neighbours whose union has the best score merge, anywhere in the text, until no union is a
//! token. The order of merges is that of llama.cpp's `llm_tokenizer_spm`: the highest score first,
//! the leftmost among equals.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use sysinfer_formats::Metadata;

use super::byte_strings::ByteStrings;
use super::error::TokenizerError;
use super::keys::{ADD_SPACE_PREFIX, SCORES, TOKENS};
use super::notes::shown;
use super::number_table::NumberTable;
use super::vocabulary::{TokenKind, Vocabulary, byte_of, check_length};

/// What stands for a space in the vocabulary.
const SPACE: &str = "▁";

/// A SentencePiece BPE tokenizer.
#[derive(Debug)]
pub(super) struct Spm {
    /// Ids that merging may come to, by their texts.
    ids: NumberTable,
    scores: Vec<f32>,
    /// The tokens of single bytes, for characters that are no token.
    bytes: [Option<u32>; 256],
    unknown: Option<u32>,
    longest_bytes: usize,
    /// Whether text is encoded with a space in front.
    pub(super) adds_space_prefix: bool,
}

impl Spm {
    /// Builds the tokenizer from the scores of a model file. `vocabulary` has its kinds corrected;
    /// `unknown` is its token for what it cannot write.
    pub(super) fn from_gguf(
        metadata: &Metadata<'_>,
        vocabulary: &Vocabulary,
        unknown: Option<u32>,
    ) -> Result<Self, TokenizerError> {
        let scores = metadata.floats(SCORES)?.unwrap_or_default();
        check_length(SCORES, scores.len(), vocabulary.len())?;
        if let Some(index) = scores.iter().position(|score| score.is_nan()) {
            return Err(TokenizerError::Entry {
                key: SCORES,
                index,
                found: "not a number".to_owned(),
                allowed: "a number is needed to order the merges",
            });
        }
        let mut spm = Self {
            ids: NumberTable::with_capacity(vocabulary.len()),
            scores,
            bytes: [None; 256],
            unknown,
            longest_bytes: 0,
            adds_space_prefix: metadata.boolean(ADD_SPACE_PREFIX)?.unwrap_or(true),
        };
        for (token, kind, text) in vocabulary.iter() {
            spm.add(&vocabulary.texts, token, kind, text)?;
        }
        Ok(spm)
    }

    /// Enters a token where texts are looked up. Control and unknown tokens are not entered, so
    /// that no text, whatever it spells, becomes one by merging; neither are bytes, which are no
    /// text.
    fn add(
        &mut self,
        texts: &ByteStrings,
        token: u32,
        kind: TokenKind,
        text: &[u8],
    ) -> Result<(), TokenizerError> {
        let byte = byte_of(text);
        if let Some(byte) = byte {
            self.bytes[usize::from(byte)] = Some(token);
        }
        match kind {
            TokenKind::Normal | TokenKind::UserDefined => {
                let is_same = |other: u32| texts.get(other as usize) == text;
                // Of two tokens with one text the last counts, as in llama.cpp.
                if let Some(earlier) = self.ids.entry(text, token, is_same) {
                    *earlier = token;
                }
                self.longest_bytes = self.longest_bytes.max(text.len());
            }
            TokenKind::Byte if byte.is_none() => {
                return Err(TokenizerError::Entry {
                    key: TOKENS,
                    index: token as usize,
                    found: shown(text),
                    allowed: "a token of type 6 (byte) must read <0xXX>",
                });
            }
            TokenKind::Byte | TokenKind::Control | TokenKind::Unknown => {}
        }
        Ok(())
    }

    /// Appends the tokens of `text`, with a space put in front of it if `with_prefix`; `texts` are
    /// those of the vocabulary that this was made for. Characters that are no token become their
    /// bytes, or else the unknown token, or else nothing.
    pub(super) fn encode(
        &self,
        texts: &ByteStrings,
        text: &str,
        with_prefix: bool,
        tokens: &mut Vec<u32>,
    ) {
        let prefix = if with_prefix { SPACE } else { "" };
        let mut spelled = String::with_capacity(text.len() + text.len() / 2 + prefix.len());
        spelled.push_str(prefix);
        for (index, word) in text.split(' ').enumerate() {
            spelled.push_str(if index == 0 { "" } else { SPACE });
            spelled.push_str(word);
        }
        let symbols = self.merge(texts, spelled.as_bytes(), split_characters(&spelled));
        let mut next = 0;
        while let Some(symbol) = symbols.get(next) {
            self.push(texts, &spelled.as_bytes()[symbol.start..symbol.end], tokens);
            next = symbol.next;
        }
    }

    /// Tokens that `text` has at least: one for as many bytes, as they are spelled, as the longest token
    /// has. What a token cannot be found for is written in bytes, or stands, character by character, for
    /// the unknown token; without either, text may vanish.
    pub(super) fn fewest_tokens(&self, text: &str) -> usize {
        const MAX_CHARACTER_BYTES: usize = 4;
        if self.unknown.is_none() && self.bytes.contains(&None) {
            return 0;
        }
        let spaces = text.bytes().filter(|byte| *byte == b' ').count();
        let spelled = text.len() + spaces * (SPACE.len() - 1);
        spelled.div_ceil(self.longest_bytes.max(MAX_CHARACTER_BYTES))
    }

    /// Merges neighbours as long as their union is a token.
    fn merge(&self, texts: &ByteStrings, text: &[u8], mut symbols: Vec<Symbol>) -> Vec<Symbol> {
        let mut queue = BinaryHeap::with_capacity(symbols.len());
        for left in 0..symbols.len() {
            queue.extend(self.union(texts, text, &symbols, left));
        }
        while let Some(union) = queue.pop() {
            let Symbol {
                start,
                end,
                previous,
                next,
            } = symbols[union.left];
            let Some(&right) = symbols.get(next) else {
                continue;
            };
            // One of the two has merged with another neighbour since, or is gone.
            if start == end || right.end - start != union.length_bytes {
                continue;
            }
            symbols[next].end = symbols[next].start;
            symbols[union.left] = Symbol {
                start,
                end: right.end,
                previous,
                next: right.next,
            };
            if let Some(after) = symbols.get_mut(right.next) {
                after.previous = union.left;
            }
            queue.extend(self.union(texts, text, &symbols, previous));
            queue.extend(self.union(texts, text, &symbols, union.left));
        }
        symbols
    }

    /// What the symbol `left` and its right neighbour would make, if that is a token.
    fn union(
        &self,
        texts: &ByteStrings,
        text: &[u8],
        symbols: &[Symbol],
        left: usize,
    ) -> Option<Union> {
        let &Symbol { start, next, .. } = symbols.get(left)?;
        let end = symbols.get(next)?.end;
        if end - start > self.longest_bytes {
            return None;
        }
        let token = self.find(texts, &text[start..end])?;
        let score = self.scores[token as usize];
        Some(Union {
            score,
            left,
            length_bytes: end - start,
        })
    }

    fn find(&self, texts: &ByteStrings, text: &[u8]) -> Option<u32> {
        self.ids
            .find(text, |token| texts.get(token as usize) == text)
    }

    /// Appends the token of a symbol, or those of its bytes.
    fn push(&self, texts: &ByteStrings, text: &[u8], tokens: &mut Vec<u32>) {
        if let Some(token) = self.find(texts, text) {
            tokens.push(token);
            return;
        }
        let bytes = text.iter().map(|&byte| self.bytes[usize::from(byte)]);
        if bytes.clone().all(|token| token.is_some()) {
            tokens.extend(bytes.flatten());
        } else {
            tokens.extend(self.unknown);
        }
    }
}

/// Those of `tokens` that no two others make, and that have more than one character: merging does
/// not come to them.
pub(super) fn unspelled(vocabulary: &Vocabulary, mut tokens: Vec<u32>) -> Vec<u32> {
    let mut ids = NumberTable::with_capacity(vocabulary.len());
    for (token, kind, text) in vocabulary.iter() {
        if matches!(kind, TokenKind::Normal | TokenKind::UserDefined) {
            ids.entry(text, token, |other| vocabulary.text(other) == text);
        }
    }
    let is_token = |text: &[u8]| {
        ids.find(text, |token| vocabulary.text(token) == text)
            .is_some()
    };
    tokens.retain(|&token| {
        let text = vocabulary.text(token);
        let is_made = (1..text.len()).any(|at| is_token(&text[..at]) && is_token(&text[at..]));
        let is_character =
            std::str::from_utf8(text).is_ok_and(|text| text.chars().nth(1).is_none());
        !is_made && !is_character
    });
    tokens
}

/// Appends the bytes that a token of text stands for.
pub(super) fn decode(text: &[u8], piece: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        match rest.strip_prefix(SPACE.as_bytes()) {
            Some(after) => {
                piece.push(b' ');
                rest = after;
            }
            None => {
                piece.push(byte);
                rest = after;
            }
        }
    }
}

/// A run of the text in a doubly linked list; empty once its left neighbour has taken it in.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    start: usize,
    end: usize,
    /// [`NONE`] at the start of the text.
    previous: usize,
    /// [`NONE`] at its end.
    next: usize,
}

/// Stands for "no neighbour".
const NONE: usize = usize::MAX;

/// One symbol per character.
fn split_characters(text: &str) -> Vec<Symbol> {
    // At its full size at once: a vector that grows takes up to twice as much.
    let mut symbols = Vec::with_capacity(text.chars().count());
    for (index, (start, character)) in text.char_indices().enumerate() {
        symbols.push(Symbol {
            start,
            end: start + character.len_utf8(),
            previous: index.wrapping_sub(1),
            next: index + 1,
        });
    }
    if let Some(last) = symbols.last_mut() {
        last.next = NONE;
    }
    symbols
}

/// A merge that may be done.
#[derive(Debug)]
struct Union {
    score: f32,
    left: usize,
    length_bytes: usize,
}

impl Ord for Union {
    /// The greater one is merged first. Scores are numbers, checked when the file is read.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = self
            .score
            .partial_cmp(&other.score)
            .unwrap_or(Ordering::Equal);
        by_score.then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Union {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Union {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Union {}
