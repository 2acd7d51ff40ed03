//! Byte-level BPE: the tokenizers of GPT-2, Llama 3, Qwen and their kin.
//!
//! (Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016; over
//! bytes since GPT-2.) The merging is that of the `tokenizers` crate, built in memory.

use sysinfer_formats::Metadata;
use tokenizers::Model as _;
use tokenizers::models::bpe::{BPE, Merges, Vocab};

use super::byte_level;
use super::error::TokenizerError;
use super::pretokenizers::PreTokenizer;
use super::vocabulary::{TOKENS, TokenKind, Vocabulary};

const MERGES: &str = "tokenizer.ggml.merges";
const PRE: &str = "tokenizer.ggml.pre";

/// Tokens of Llama 3, whose first files did not say how they cut text.
const LLAMA3_TOKENS: usize = 128_256;

/// A byte-level BPE tokenizer.
#[derive(Debug)]
pub(super) struct Bpe {
    words: PreTokenizer,
    model: BPE,
    /// Which bytes are tokens; some vocabularies lack a few that their training text never had.
    spells: [bool; 256],
}

impl Bpe {
    /// Builds the tokenizer from the merges of a model file and its way of cutting `words`.
    /// `vocabulary` has its roles assigned.
    pub(super) fn from_gguf(
        metadata: &Metadata<'_>,
        vocabulary: &Vocabulary,
        words: PreTokenizer,
    ) -> Result<Self, TokenizerError> {
        let ids = token_ids(vocabulary)?;
        let mut name = String::new();
        let spells = std::array::from_fn(|byte| {
            name.clear();
            byte_level::encode_byte(byte as u8, &mut name);
            ids.contains_key(&name)
        });
        let model = BPE::builder()
            .vocab_and_merges(ids, read_merges(metadata)?)
            .ignore_merges(words.ignores_merges)
            // Its cache lives in thread-locals for as long as the thread does, beyond the model.
            .cache_capacity(0)
            .build()
            .map_err(|error| TokenizerError::Merges {
                reason: error.to_string(),
            })?;
        Ok(Self {
            words,
            model,
            spells,
        })
    }

    /// Appends the tokens of `text`. Bytes that the vocabulary lacks are left out, and nothing
    /// merges over the gap, as in llama.cpp.
    pub(super) fn encode(&self, text: &str, tokens: &mut Vec<u32>) {
        let mut spelled = String::new();
        self.words.split(text, &mut |word| {
            let unspelled = |byte: &u8| !self.spells[usize::from(*byte)];
            for part in word.as_bytes().split(unspelled) {
                spelled.clear();
                for &byte in part {
                    byte_level::encode_byte(byte, &mut spelled);
                }
                // An error needs an unknown token that is not in the vocabulary; none is configured.
                if let Ok(found) = self.model.tokenize(&spelled) {
                    tokens.extend(found.iter().map(|token| token.id));
                }
            }
        });
    }
}

/// Appends the bytes that a normal token stands for.
pub(super) fn decode(text: &[u8], piece: &mut Vec<u8>) {
    match std::str::from_utf8(text) {
        Ok(text) => byte_level::decode(text, piece),
        Err(_) => piece.extend_from_slice(text),
    }
}

/// How the model file cuts text into words.
pub(super) fn read_pre_tokenizer(
    metadata: &Metadata<'_>,
    vocabulary: &Vocabulary,
) -> Result<PreTokenizer, TokenizerError> {
    let name = match metadata.string(PRE)? {
        Some(name) => name,
        None if vocabulary.len() == LLAMA3_TOKENS => "llama-bpe",
        None => "default",
    };
    PreTokenizer::named(name).ok_or_else(|| TokenizerError::UnsupportedPreTokenizer {
        name: name.chars().take(80).collect(),
        supported: PreTokenizer::supported(),
    })
}

/// The ids that merging may come to. Control tokens are not among them, so that no text, whatever
/// it spells, becomes one by merging.
fn token_ids(vocabulary: &Vocabulary) -> Result<Vocab, TokenizerError> {
    let mergeable = vocabulary
        .iter()
        .filter(|(_, kind, _)| *kind != TokenKind::Control);
    mergeable
        .map(|(token, _, text)| Ok((utf8(TOKENS, token as usize, text)?.to_owned(), token)))
        .collect()
}

/// The merges in order of rank, each "left right"; a token itself holds no space in this alphabet.
fn read_merges(metadata: &Metadata<'_>) -> Result<Merges, TokenizerError> {
    let merges = metadata
        .strings(MERGES)?
        .ok_or_else(|| TokenizerError::Merges {
            reason: "the key is missing".to_owned(),
        })?;
    let pair = |(index, merge): (usize, &&[u8])| {
        let text = utf8(MERGES, index, merge)?;
        match text.split_once(' ') {
            Some((left, right)) if !left.is_empty() && !right.is_empty() => {
                Ok((left.to_owned(), right.to_owned()))
            }
            _ => Err(entry_error(
                MERGES,
                index,
                merge,
                "two tokens with a space between them are needed",
            )),
        }
    };
    merges.iter().enumerate().map(pair).collect()
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
    let shown = &found[..found.len().min(80)];
    TokenizerError::Entry {
        key,
        index,
        found: format!("\"{}\"", shown.escape_ascii()),
        allowed,
    }
}
