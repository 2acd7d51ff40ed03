//! Text to [`Profile`], with errors that point at a line and a key.
//!
//! serde says what is wrong, and TOML's spans say where. The key is found by looking which
//! key or value covers the place; a mistyped key gets the nearest known ones.

use toml::de::{DeTable, DeValue};

use crate::error::ProfileError;
use crate::schema::{Profile, SCHEMA};
use crate::suggest::nearest;

/// A profile is a few KiB, and at most some 105: two teams of 4,096 threads and the longest table. Anything
/// above this is another file. A TOML parser takes dozens of times the bytes of its text, so this bounds
/// memory too.
pub const LIMIT_BYTES: u64 = 128 << 10;

/// Longest quotation of the text in a message, in characters.
const MAX_QUOTE: usize = 400;

impl Profile {
    /// Reads a profile from TOML. `origin` names the text in errors (a file name).
    ///
    /// # Errors
    /// Not TOML, another schema, an unknown or missing key, a wrong type, a value out of range:
    /// each with `origin`, line and key.
    pub fn parse(text: &str, origin: &str) -> Result<Profile, ProfileError> {
        if text.len() as u64 > LIMIT_BYTES {
            return Err(ProfileError::TooLarge {
                origin: origin.into(),
                limit_bytes: LIMIT_BYTES,
            });
        }
        let source = Source { text, origin };
        let document = DeTable::parse(text).map_err(|error| source.explain(&error, None))?;
        let document = document.get_ref();
        source.check_schema(document)?;
        let profile: Profile =
            toml::from_str(text).map_err(|error| source.explain(&error, Some(document)))?;
        profile.validate().map_err(|(key, problem)| {
            let line = source.line_of_key(document, &key);
            source.invalid(line, key, problem)
        })?;
        Ok(profile)
    }
}

struct Source<'a> {
    text: &'a str,
    origin: &'a str,
}

impl Source<'_> {
    fn invalid(&self, line: usize, key: String, problem: String) -> ProfileError {
        ProfileError::Invalid {
            origin: self.origin.into(),
            line,
            key: shortened(&key),
            problem: shortened(&problem),
        }
    }

    fn line_at(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    /// Line of a dotted key, or of its nearest enclosing table where it is absent. A number is the
    /// place in a list of tables, counted from 0; without one, the first is meant.
    fn line_of_key(&self, document: &DeTable<'_>, key: &str) -> usize {
        let (mut tables, mut offset) = (vec![document], 0);
        for name in key.split('.') {
            if let Ok(place) = name.parse::<usize>() {
                tables = tables.into_iter().skip(place).collect();
                continue;
            }
            let entry = tables.first().and_then(|table| table.get_key_value(name));
            let Some((key, value)) = entry else { break };
            offset = key.span().start;
            tables = tables_in(value.get_ref()).collect();
        }
        self.line_at(offset)
    }

    fn check_schema(&self, document: &DeTable<'_>) -> Result<(), ProfileError> {
        let found = document
            .iter()
            .find(|(key, _)| key.get_ref().as_ref() == "schema");
        let line = self.line_of_key(document, "schema");
        let Some((_, value)) = found else {
            let problem = format!("missing; a profile begins with: schema = {SCHEMA}");
            return Err(self.invalid(1, "schema".into(), problem));
        };
        let version = match value.get_ref() {
            DeValue::Integer(integer) => integer.as_str(),
            other => {
                let problem = format!("is a {}; it must be the integer {SCHEMA}", other.type_str());
                return Err(self.invalid(line, "schema".into(), problem));
            }
        };
        if version == SCHEMA.to_string() {
            return Ok(());
        }
        let problem = format!(
            "version {version} is not supported, this build reads version {SCHEMA}; \
             tune again with this version's sysinfer-tune"
        );
        Err(self.invalid(line, "schema".into(), problem))
    }

    /// Turns a TOML error into line, key and problem.
    fn explain(&self, error: &toml::de::Error, document: Option<&DeTable<'_>>) -> ProfileError {
        let offset = error.span().map_or(0, |span| span.start);
        let key = document.map_or_else(String::new, |document| key_at(document, offset));
        let problem = describe(error.message());
        self.invalid(self.line_at(offset), key, problem)
    }
}

/// serde's message, with nearest known keys where the key is unknown.
fn describe(message: &str) -> String {
    let message = message.trim().replace('\n', "; ");
    if !message.starts_with("unknown field") {
        return message;
    }
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (typed, known) = match words.split_first() {
        Some((typed, known)) => (*typed, known),
        None => return message,
    };
    let near = nearest(typed, known);
    if near.is_empty() {
        format!("unknown key `{typed}`; known here: {}", known.join(", "))
    } else {
        format!("unknown key `{typed}`; did you mean {}?", near.join(" or "))
    }
}

/// The beginning of a text: a key or a value can be as long as the file.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// The dotted key whose key or value text covers `offset` most closely; empty if none does.
fn key_at(document: &DeTable<'_>, offset: usize) -> String {
    let mut search = Search {
        offset,
        path: Vec::new(),
        closest: Vec::new(),
        closest_bytes: usize::MAX,
    };
    search.visit(document);
    search.closest.join(".")
}

/// The tables that a value is or, as an array, holds.
pub(crate) fn tables_in<'d, 't>(value: &'d DeValue<'t>) -> impl Iterator<Item = &'d DeTable<'t>> {
    let (table, items) = match value {
        DeValue::Table(table) => (Some(table), None),
        DeValue::Array(items) => (None, Some(items)),
        _ => (None, None),
    };
    let in_items = items.into_iter().flat_map(|items| items.iter());
    let in_items = in_items.filter_map(|item| match item.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    });
    table.into_iter().chain(in_items)
}

/// A walk through all keys, by names on the way rather than by paths, which together could be far
/// longer than the file.
struct Search<'d> {
    offset: usize,
    path: Vec<&'d str>,
    closest: Vec<&'d str>,
    closest_bytes: usize,
}

impl<'d> Search<'d> {
    /// Depth is bounded by the TOML parser's own nesting limit.
    fn visit(&mut self, table: &'d DeTable<'_>) {
        for (key, value) in table.iter() {
            self.path.push(key.get_ref());
            for span in [key.span(), value.span()] {
                if span.contains(&self.offset) && span.len() < self.closest_bytes {
                    self.closest_bytes = span.len();
                    self.closest.clone_from(&self.path);
                }
            }
            for inner in tables_in(value.get_ref()) {
                self.visit(inner);
            }
            self.path.pop();
        }
    }
}
