//! Finding the tokens that are written out in a text: control tokens and user-defined ones.
//!
//! A trie over bytes, so that the time per position of the text is bounded by the longest such
//! token, however many there are. At each position the longest one wins.

use std::borrow::Cow;
use std::collections::HashMap;

use super::vocabulary::{TokenKind, Vocabulary};

/// A part of a text to encode.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fragment<'t> {
    /// Text that the model's own rules cut into tokens.
    Text(Cow<'t, str>),
    /// A token that was written out.
    Token(u32),
}

/// A token that ends at a node of the trie.
#[derive(Debug, Clone, Copy)]
struct Found {
    token: u32,
    is_hidden: bool,
}

/// The written-out tokens of a vocabulary.
#[derive(Debug)]
pub(super) struct Specials {
    /// Node 0 is the root.
    found: Vec<Option<Found>>,
    children: HashMap<(usize, u8), usize>,
    /// Whether any token starts with a byte: most positions of a text are passed over by this.
    starts: [bool; 256],
}

impl Specials {
    /// Collects the control, unknown and user-defined tokens.
    pub(super) fn new(vocabulary: &Vocabulary) -> Self {
        let mut specials = Self {
            found: vec![None],
            children: HashMap::new(),
            starts: [false; 256],
        };
        for (token, kind, text) in vocabulary.iter() {
            let is_written = kind.is_hidden() || kind == TokenKind::UserDefined;
            // A text is UTF-8, so a token that is not would cut a character.
            if is_written && std::str::from_utf8(text).is_ok() {
                specials.insert(
                    text,
                    Found {
                        token,
                        is_hidden: kind.is_hidden(),
                    },
                );
            }
        }
        specials
    }

    fn insert(&mut self, text: &[u8], found: Found) {
        let Some(&first) = text.first() else {
            return;
        };
        self.starts[usize::from(first)] = true;
        let mut node = 0;
        for &byte in text {
            let next = self.found.len();
            node = *self.children.entry((node, byte)).or_insert(next);
            if node == next {
                self.found.push(None);
            }
        }
        self.found[node] = Some(found);
    }

    /// Appends `text` to `fragments`, cut at the tokens written in it: user-defined ones always,
    /// control and unknown ones only if `parse_special`.
    pub(super) fn split<'t>(
        &self,
        text: &'t str,
        parse_special: bool,
        fragments: &mut Vec<Fragment<'t>>,
    ) {
        let bytes = text.as_bytes();
        let mut text_start = 0;
        let mut position = 0;
        while position < bytes.len() {
            match self.longest(&bytes[position..], parse_special) {
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
    fn longest(&self, bytes: &[u8], parse_special: bool) -> Option<(u32, usize)> {
        if !self.starts[usize::from(*bytes.first()?)] {
            return None;
        }
        let mut node = 0;
        let mut longest = None;
        for (index, &byte) in bytes.iter().enumerate() {
            let Some(&next) = self.children.get(&(node, byte)) else {
                break;
            };
            node = next;
            if let Some(found) = self.found[node].filter(|found| parse_special || !found.is_hidden)
            {
                longest = Some((found.token, index + 1));
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
