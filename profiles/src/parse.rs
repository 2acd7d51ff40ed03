//! Text to [`Profile`], with errors that point at a line and a key.
//!
//! serde says what is wrong, and TOML's spans say where. The key is found by looking which
//! key or value covers the place; a mistyped key gets the nearest known ones.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::error::ProfileError;
use crate::schema::{Profile, SCHEMA};
use crate::suggest::nearest;

/// A profile is a few KiB; anything above this is another file.
pub const LIMIT_BYTES: u64 = 1 << 20;

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
        let document = DeTable::parse(text).map_err(|error| source.explain(&error, &[]))?;
        let places = places_of(document.get_ref());
        source.check_schema(&places, document.get_ref())?;
        let profile: Profile =
            toml::from_str(text).map_err(|error| source.explain(&error, &places))?;
        profile.validate().map_err(|(key, problem)| {
            let line = source.line_of_key(&places, &key);
            source.invalid(line, key, problem)
        })?;
        Ok(profile)
    }
}

/// Where a key and its value stand, in bytes.
struct Place {
    path: String,
    key: Range<usize>,
    value: Range<usize>,
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
            key,
            problem,
        }
    }

    fn line_at(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    /// Line of a dotted key, or of its nearest enclosing table where it is absent.
    fn line_of_key(&self, places: &[Place], key: &str) -> usize {
        let mut path = key;
        loop {
            if let Some(place) = places.iter().find(|place| place.path == path) {
                return self.line_at(place.key.start);
            }
            match path.rfind('.') {
                Some(dot) => path = &path[..dot],
                None => return 1,
            }
        }
    }

    fn check_schema(&self, places: &[Place], document: &DeTable<'_>) -> Result<(), ProfileError> {
        let found = document
            .iter()
            .find(|(key, _)| key.get_ref().as_ref() == "schema");
        let line = self.line_of_key(places, "schema");
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
    fn explain(&self, error: &toml::de::Error, places: &[Place]) -> ProfileError {
        let offset = error.span().map_or(0, |span| span.start);
        let key = key_at(places, offset).unwrap_or_default();
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

/// The dotted key whose key or value text covers `offset` most closely.
fn key_at(places: &[Place], offset: usize) -> Option<String> {
    let spans = places
        .iter()
        .flat_map(|place| [(&place.key, place), (&place.value, place)]);
    spans
        .filter(|(span, _)| span.contains(&offset))
        .min_by_key(|(span, _)| span.len())
        .map(|(_, place)| place.path.clone())
}

fn places_of(table: &DeTable<'_>) -> Vec<Place> {
    let mut places = Vec::new();
    collect(table, "", &mut places);
    places
}

/// Depth is bounded by the TOML parser's own nesting limit.
fn collect(table: &DeTable<'_>, prefix: &str, places: &mut Vec<Place>) {
    for (key, value) in table.iter() {
        let name = key.get_ref();
        let path = if prefix.is_empty() {
            name.to_string()
        } else {
            format!("{prefix}.{name}")
        };
        match value.get_ref() {
            DeValue::Table(inner) => collect(inner, &path, places),
            DeValue::Array(items) => {
                for item in items.iter() {
                    if let DeValue::Table(inner) = item.get_ref() {
                        collect(inner, &path, places);
                    }
                }
            }
            _ => {}
        }
        places.push(Place {
            path,
            key: key.span(),
            value: value.span(),
        });
    }
}
