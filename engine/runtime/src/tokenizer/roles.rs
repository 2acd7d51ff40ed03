//! Which tokens begin and end texts, which end an answer, and which are no text.
//!
//! A file says it in three ways, each of which files get wrong: keys that name tokens, types, and
//! what tokens are called. So a token ends an answer if a key or its name says so, and such a token,
//! or one that frames turns, is a control token whatever its type. The exception is a token that
//! merging can spell, and that neither key nor type sets apart: it was learned from text, such as the
//! HTML tag `</s>` of Qwen, and is text.
//!
//! The defaults of keys that a file leaves out are llama.cpp's.

use sysinfer_formats::Metadata;

use super::error::TokenizerError;
use super::keys::{
    ADD_BOS, ADD_EOS, BOS, EOM, EOS, EOT, FIM_PAD, FIM_REP, FIM_SEP, SUPPRESSED, UNKNOWN, Use,
    with_use,
};
use super::names::{Meaning, meaning};
use super::notes::Names;
use super::specials::MAX_BYTES;
use super::vocabulary::{TokenKind, Vocabulary};

/// What a kind of tokenizer does where the file does not say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Defaults {
    pub(super) bos: Option<u32>,
    pub(super) eos: Option<u32>,
    pub(super) unknown: Option<u32>,
    pub(super) adds_bos: bool,
}

/// The parts that tokens play.
#[derive(Debug)]
pub(super) struct Roles {
    pub(super) bos: Option<u32>,
    pub(super) eos: Option<u32>,
    pub(super) unknown: Option<u32>,
    pub(super) adds_bos: bool,
    pub(super) adds_eos: bool,
    /// Tokens that end an answer, sorted.
    pub(super) ends: Vec<u32>,
    /// Tokens that the model must not say, sorted.
    pub(super) suppressed: Vec<u32>,
}

impl Roles {
    /// Reads the parts that tokens of `vocabulary` play, and makes control tokens of those that are
    /// by key or name. `unspelled` keeps, of tokens that the file types as text, those that merging
    /// cannot spell. What is odd about the file goes to `notes`.
    pub(super) fn assign(
        metadata: &Metadata<'_>,
        vocabulary: &mut Vocabulary,
        defaults: Defaults,
        unspelled: impl FnOnce(&Vocabulary, Vec<u32>) -> Result<Vec<u32>, TokenizerError>,
        notes: &mut Vec<String>,
    ) -> Result<Self, TokenizerError> {
        let size = vocabulary.len();
        let ids = Ids { metadata, size };
        let default = |token: Option<u32>| token.filter(|&token| (token as usize) < size);
        let bos = ids.required(BOS)?;
        let eos = ids.required(EOS)?;
        let turns = [eos, ids.required(EOT)?, ids.required(EOM)?];
        let mut named_ends: Vec<u32> = turns.into_iter().flatten().collect();
        for key in [FIM_PAD, FIM_REP, FIM_SEP] {
            named_ends.extend(ids.noted(key, notes));
        }
        let mut named = named_ends.clone();
        named.extend(bos);
        for key in with_use(Use::Control) {
            named.extend(ids.noted(key, notes));
        }
        for key in with_use(Use::Unused) {
            ids.noted(key, notes);
        }
        let (bos, eos) = (bos.or(default(defaults.bos)), eos.or(default(defaults.eos)));
        correct(vocabulary, &named, [bos, eos], unspelled, notes)?;
        let ends = ends(vocabulary, named_ends, eos);
        if ends.is_empty() {
            let note = "no token ends an answer, by key or by name: answers run to their limit";
            notes.push(note.into());
        }
        let unknown = match defaults.unknown {
            Some(_) => ids.required(UNKNOWN)?,
            // Byte-level BPE has no use for it: its tokens are bytes.
            None => ids.noted(UNKNOWN, notes),
        };
        let adds_bos = flag(metadata, ADD_BOS, (BOS, bos))?.unwrap_or(defaults.adds_bos);
        Ok(Self {
            bos,
            eos,
            unknown: unknown.or(default(defaults.unknown)),
            adds_bos: adds_bos && bos.is_some(),
            adds_eos: flag(metadata, ADD_EOS, (EOS, eos))?.unwrap_or(false),
            ends,
            suppressed: suppressed(metadata, size, notes)?,
        })
    }
}

/// The keys that name a token by its id.
struct Ids<'m, 'f> {
    metadata: &'m Metadata<'f>,
    /// Tokens of the vocabulary.
    size: usize,
}

impl Ids<'_, '_> {
    /// The token that `key` names, which decides something: an id beyond the vocabulary is refused.
    fn required(&self, key: &'static str) -> Result<Option<u32>, TokenizerError> {
        let Some(id) = self.metadata.unsigned(key)? else {
            return Ok(None);
        };
        match self.token(id) {
            Some(token) => Ok(Some(token)),
            None => Err(TokenizerError::TokenOutOfRange {
                key,
                id,
                size: self.size,
            }),
        }
    }

    /// The token that `key` names, which decides nothing here: what cannot be one is noted.
    fn noted(&self, key: &'static str, notes: &mut Vec<String>) -> Option<u32> {
        match self.metadata.unsigned(key) {
            Ok(None) => None,
            Ok(Some(id)) => self.token(id).or_else(|| {
                let size = self.size;
                notes.push(format!(
                    "{key} is {id}, but the vocabulary has {size} tokens: without effect"
                ));
                None
            }),
            Err(error) => {
                notes.push(format!("{error}: without effect"));
                None
            }
        }
    }

    fn token(&self, id: u64) -> Option<u32> {
        u32::try_from(id)
            .ok()
            .filter(|&token| (token as usize) < self.size)
    }
}

/// Makes control tokens of those that are by a key (`named`) or by their name, and notes those that
/// the file calls something else. `framing` are BOS and EOS, named or by default.
fn correct(
    vocabulary: &mut Vocabulary,
    named: &[u32],
    framing: [Option<u32>; 2],
    unspelled: impl FnOnce(&Vocabulary, Vec<u32>) -> Result<Vec<u32>, TokenizerError>,
    notes: &mut Vec<String>,
) -> Result<(), TokenizerError> {
    let (mut meant, mut doubtful) = (Vec::new(), Vec::new());
    for (token, kind, text) in vocabulary.iter() {
        let is_named = named.contains(&token);
        let meaning = meaning(text);
        // Others cannot be written out, so they stay what the file says.
        let is_writable = text.len() <= MAX_BYTES && std::str::from_utf8(text).is_ok();
        if meaning.is_none() && !is_named || !is_writable {
            continue;
        }
        match kind {
            TokenKind::UserDefined => meant.push(token),
            TokenKind::Normal
                if meaning.is_some() && (is_named || framing.contains(&Some(token))) =>
            {
                meant.push(token);
            }
            TokenKind::Normal => doubtful.push(token),
            TokenKind::Control | TokenKind::Unknown | TokenKind::Byte => {}
        }
    }
    if !doubtful.is_empty() {
        meant.extend(unspelled(vocabulary, doubtful)?);
    }
    let mut names = Names::default();
    for &token in &meant {
        vocabulary.mark_control(token);
        names.push(vocabulary.text(token));
    }
    if !names.is_empty() {
        notes.push(format!(
            "the file types {names} as text; taken for control tokens, which their names or keys say they are"
        ));
    }
    Ok(())
}

/// The tokens that end an answer, sorted: `named` by keys, `eos`, and control tokens by their names.
fn ends(vocabulary: &Vocabulary, named: Vec<u32>, eos: Option<u32>) -> Vec<u32> {
    let has = |wanted: &[&str]| {
        let mut tokens = vocabulary.iter();
        tokens.any(|(_, kind, text)| {
            kind.is_hidden() && wanted.iter().any(|wanted| wanted.as_bytes() == text)
        })
    };
    // With these, `<|end|>` ends one of several messages that an answer is made of.
    let has_messages = has(&["<|call|>", "<|calls|>"]) && has(&["<|return|>", "<|flush|>"]);
    let mut ends = named;
    ends.extend(eos);
    for (token, kind, text) in vocabulary.iter() {
        let is_message_end = has_messages && text == b"<|end|>";
        if kind.is_hidden() && meaning(text) == Some(Meaning::End) && !is_message_end {
            ends.push(token);
        }
    }
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// The tokens that the file says the model must not say, sorted.
fn suppressed(
    metadata: &Metadata<'_>,
    size: usize,
    notes: &mut Vec<String>,
) -> Result<Vec<u32>, TokenizerError> {
    let Some(ids) = metadata.integers(SUPPRESSED)? else {
        return Ok(Vec::new());
    };
    // At its full size at once: a vector that grows takes up to twice as much.
    let mut tokens = Vec::with_capacity(ids.len());
    let mut outside = 0_usize;
    for id in ids {
        match u32::try_from(id) {
            Ok(token) if (token as usize) < size => tokens.push(token),
            _ => outside += 1,
        }
    }
    if outside > 0 {
        notes.push(format!(
            "{SUPPRESSED} has {outside} ids beyond the vocabulary of {size} tokens: without effect"
        ));
    }
    tokens.sort_unstable();
    tokens.dedup();
    Ok(tokens)
}

/// A flag that asks for a token in every text, if the file has it. `token` is the key that names
/// the token, and the token.
fn flag(
    metadata: &Metadata<'_>,
    flag: &'static str,
    token: (&'static str, Option<u32>),
) -> Result<Option<bool>, TokenizerError> {
    match (metadata.boolean(flag)?, token) {
        (Some(true), (key, None)) => Err(TokenizerError::MissingToken { flag, key }),
        (asked, _) => Ok(asked),
    }
}
