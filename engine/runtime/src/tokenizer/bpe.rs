//! Byte-level BPE: the tokenizers of GPT-2, Llama 3, Qwen and their kin.
//!
//! (Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016; over
//! bytes since GPT-2.) Merging is done here rather than by a library: a model file can hold a
//! hundred thousand merges, and what they take in memory stays within a few times their bytes.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sysinfer_formats::Metadata;

use super::byte_level;
use super::byte_strings::ByteStrings;
use super::error::TokenizerError;
use super::keys::{MERGES, TOKENS};
use super::merges::{Merge, Merges, Word};
use super::notes::shown;
use super::number_table::NumberTable;
use super::pretokenizers::{PreTokenizer, Way};
use super::vocabulary::{TokenKind, Vocabulary};

/// A byte-level BPE tokenizer.
#[derive(Debug)]
pub(super) struct Bpe {
    words: PreTokenizer,
    /// Whether a word that is a token as a whole is taken without looking at the merges.
    ignores_merges: bool,
    /// Ids that merging may come to, by their texts.
    ids: NumberTable,
    merges: Merges,
    /// Which bytes are tokens; some vocabularies lack a few that their training text never had.
    bytes: [Option<u32>; 256],
    /// Bytes of the longest token that merging may come to.
    longest_bytes: usize,
}

impl Bpe {
    /// Builds the tokenizer from the merges of a model file and its `way` of cutting words.
    /// `vocabulary` has its kinds corrected.
    pub(super) fn from_gguf(
        metadata: &Metadata<'_>,
        vocabulary: &Vocabulary,
        way: &Way,
    ) -> Result<Self, TokenizerError> {
        let ids = token_ids(vocabulary)?;
        let merges = read_merges(metadata, vocabulary, &ids)?;
        let mut spelled = String::new();
        let bytes = std::array::from_fn(|byte| {
            spelled.clear();
            byte_level::encode_byte(byte as u8, &mut spelled);
            find(&ids, &vocabulary.texts, spelled.as_bytes())
        });
        let texts = vocabulary
            .iter()
            .filter(|(_, kind, _)| *kind != TokenKind::Control);
        let texts = texts.filter_map(|(.., text)| std::str::from_utf8(text).ok());
        let longest_bytes = texts.filter_map(byte_level::decoded_length).max();
        Ok(Self {
            longest_bytes: longest_bytes.unwrap_or(1).max(1),
            words: PreTokenizer::compile(way),
            ignores_merges: way.ignores_merges,
            ids,
            merges,
            bytes,
        })
    }

    /// Appends the tokens of `text`; `texts` are those of the vocabulary that this was made for. Bytes
    /// that the vocabulary lacks are left out, and nothing merges over the gap, as in llama.cpp. No
    /// more words are taken once `tokens` are more than `most`.
    pub(super) fn encode(
        &self,
        texts: &ByteStrings,
        text: &str,
        tokens: &mut Vec<u32>,
        most: usize,
    ) {
        let mut spelled = String::new();
        let mut merging = Word::default();
        // Whether it was stopped can be told from the tokens.
        let _ = self.words.split(text, &mut |word| {
            let unspelled = |byte: &u8| self.bytes[usize::from(*byte)].is_none();
            for part in word.as_bytes().split(unspelled) {
                if self.ignores_merges {
                    spelled.clear();
                    for &byte in part {
                        byte_level::encode_byte(byte, &mut spelled);
                    }
                    if let Some(token) = find(&self.ids, texts, spelled.as_bytes()) {
                        tokens.push(token);
                        continue;
                    }
                }
                let bytes = part
                    .iter()
                    .map(|&byte| self.bytes[usize::from(byte)].unwrap_or_default());
                merging.merge(bytes, &self.merges, tokens);
            }
            if tokens.len() > most {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
    }

    /// Tokens that `text` has at least: no token has more bytes than the longest. Bytes that are left
    /// out count for nothing.
    pub(super) fn fewest_tokens(&self, text: &str) -> usize {
        let spelled = |byte: &u8| self.bytes[usize::from(*byte)].is_some();
        let spelled = text.bytes().filter(spelled).count();
        spelled.div_ceil(self.longest_bytes)
    }
}

/// Appends the bytes that a normal token stands for.
pub(super) fn decode(text: &[u8], piece: &mut Vec<u8>) {
    match std::str::from_utf8(text) {
        Ok(text) => byte_level::decode(text, piece),
        Err(_) => piece.extend_from_slice(text),
    }
}

/// Those of `tokens` that no merge results in and that are no character of the alphabet.
pub(super) fn unspelled(
    metadata: &Metadata<'_>,
    vocabulary: &Vocabulary,
    mut tokens: Vec<u32>,
) -> Result<Vec<u32>, TokenizerError> {
    let texts = tokens.iter().map(|&token| vocabulary.text(token));
    let is_character =
        |text: &&[u8]| std::str::from_utf8(text).is_ok_and(|text| text.chars().nth(1).is_none());
    let mut unspelled: HashSet<&[u8]> = texts.filter(|text| !is_character(text)).collect();
    let mut joined = Vec::new();
    for merge in metadata.strings(MERGES)?.unwrap_or_default() {
        if let Some((left, right)) = halves(merge) {
            joined.clear();
            joined.extend_from_slice(left);
            joined.extend_from_slice(right);
            unspelled.remove(joined.as_slice());
        }
    }
    tokens.retain(|&token| unspelled.contains(vocabulary.text(token)));
    Ok(tokens)
}

/// What a merge joins: the parts around its first space, neither of them empty.
fn halves(merge: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = merge.iter().position(|byte| *byte == b' ')?;
    let (left, right) = (&merge[..space], &merge[space + 1..]);
    (!left.is_empty() && !right.is_empty()).then_some((left, right))
}

/// The id of a text.
fn find(ids: &NumberTable, texts: &ByteStrings, text: &[u8]) -> Option<u32> {
    ids.find(text, |token| texts.get(token as usize) == text)
}

/// The ids that merging may come to. Control tokens are not among them, so that no text, whatever
/// it spells, becomes one by merging.
fn token_ids(vocabulary: &Vocabulary) -> Result<NumberTable, TokenizerError> {
    let mut ids = NumberTable::with_capacity(vocabulary.len());
    for (token, kind, text) in vocabulary.iter() {
        if kind == TokenKind::Control {
            continue;
        }
        utf8(TOKENS, token as usize, text)?;
        let is_same = |other: u32| vocabulary.text(other) == text;
        // Of two tokens with one text the last counts, as in llama.cpp.
        if let Some(earlier) = ids.entry(text, token, is_same) {
            *earlier = token;
        }
    }
    Ok(ids)
}

/// The merges in order of rank, each "left right"; a token itself holds no space in this alphabet.
/// Merges with a control token in them are left out.
fn read_merges(
    metadata: &Metadata<'_>,
    vocabulary: &Vocabulary,
    ids: &NumberTable,
) -> Result<Merges, TokenizerError> {
    let list = metadata.strings(MERGES)?;
    let list = list.filter(|list| i32::try_from(list.len()).is_ok());
    let list = list.ok_or_else(|| TokenizerError::Merges {
        reason: "the key is missing".to_owned(),
    })?;
    let controls = vocabulary
        .iter()
        .filter(|(_, kind, _)| *kind == TokenKind::Control);
    let controls: HashSet<&[u8]> = controls.map(|(.., text)| text).collect();
    let known = |text: &[u8]| match find(ids, &vocabulary.texts, text) {
        None if controls.contains(text) => Ok(None),
        None => Err(TokenizerError::Merges {
            reason: format!("{} is no token", shown(text)),
        }),
        found => Ok(found),
    };
    let mut merges = Merges::with_capacity(list.len());
    let mut joined = Vec::new();
    for (index, merge) in list.into_iter().enumerate() {
        let (left, right) = pair(index, merge)?;
        joined.clear();
        joined.extend_from_slice(left);
        joined.extend_from_slice(right);
        if let (Some(left), Some(right), Some(merged)) =
            (known(left)?, known(right)?, known(&joined)?)
        {
            merges.push(Merge {
                left,
                right,
                merged,
            });
        }
    }
    Ok(merges)
}

fn pair(index: usize, merge: &[u8]) -> Result<(&[u8], &[u8]), TokenizerError> {
    utf8(MERGES, index, merge)?;
    halves(merge).ok_or_else(|| {
        entry_error(
            MERGES,
            index,
            merge,
            "two tokens with a space between them are needed",
        )
    })
}

fn utf8<'t>(key: &'static str, index: usize, text: &'t [u8]) -> Result<&'t str, TokenizerError> {
    std::str::from_utf8(text)
        .map_err(|_| entry_error(key, index, text, "UTF-8 is needed in a \"gpt2\" vocabulary"))
}

fn entry_error(
    key: &'static str,
    index: usize,
    found: &[u8],
    allowed: &'static str,
) -> TokenizerError {
    TokenizerError::Entry {
        key,
        index,
        found: shown(found),
        allowed,
    }
}
