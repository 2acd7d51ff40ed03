//! A row: one field, where it is known, and what becomes of it.

use serde_json::Value;

use super::types::Type;
use crate::error::ApiError;

/// A field and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name at the top of a body.
    pub name: &'static str,
    /// Where it is known.
    pub on: On,
    /// What becomes of it.
    pub reading: Reading,
    /// What it does, what to use instead, or why it changes nothing: in Markdown.
    pub what: &'static str,
    /// A value that asks for something, as JSON.
    pub example: &'static str,
}

/// Endpoints that know a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Completions,
    /// Both, `/v1/responses`, and `options` of Ollama's.
    Both,
    /// `/v1/responses`, which has those of a chat beside its own.
    Responses,
    /// `/api/chat` and `/api/generate`.
    Ollama,
    /// `/v1/embeddings`, and what other APIs have for it.
    Embeddings,
}

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It does what it says; another type or a value out of range is refused.
    Honoured(Type),
    /// The chat template gets the value, whatever it is.
    Template,
    /// Refused, unless it is null or one of these values (JSON), which ask for nothing.
    RefusedUnless(&'static [&'static str]),
    /// Any value is taken, and changes nothing.
    NoEffect,
}

pub(super) const fn row(
    name: &'static str,
    on: On,
    reading: Reading,
    what: &'static str,
    example: &'static str,
) -> Field {
    Field {
        name,
        on,
        reading,
        what,
        example,
    }
}

impl On {
    /// Whether rows of `self` count at `endpoint`.
    pub(super) fn covers(self, endpoint: On) -> bool {
        self == endpoint || (self == On::Both && [On::Chat, On::Completions].contains(&endpoint))
    }
}

impl Field {
    pub(super) fn check(&self, value: &Value) -> Result<(), ApiError> {
        let Reading::RefusedUnless(off) = self.reading else {
            return Ok(());
        };
        if value.is_null() || off.iter().any(|off| is(value, off)) {
            return Ok(());
        }
        let remedy = match off {
            [] => format!("leave {} out", self.name),
            [off, ..] => format!("leave {} out or set it to {off}", self.name),
        };
        let message = format!("{} is not supported: {}; {remedy}", self.name, self.what);
        Err(ApiError::unsupported(self.name, message))
    }
}

/// Whether a value is what the JSON says; 1.0 is 1.
fn is(value: &Value, json: &str) -> bool {
    let Ok(off) = serde_json::from_str::<Value>(json) else {
        return false;
    };
    match (value.as_f64(), off.as_f64()) {
        (Some(value), Some(off)) => value == off,
        _ => *value == off,
    }
}
