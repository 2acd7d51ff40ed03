//! Every field of a request that clients are known to send, and what becomes of it.
//!
//! A field is honoured, refused by its name unless its value means that it is off, or known to have no effect
//! here. One that is in no row passes, because clients send what other servers know, and is named in a debug
//! log. `docs/en/requests.md` shows the tables; a test holds it to them.

mod embeddings;
mod llama_server;
mod ollama;
mod openai;
mod responses;
mod types;
mod vllm;

pub use types::Type;

use serde_json::{Map, Value};

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

/// The tables, each with its title.
pub const TABLES: [(&str, &[Field]); 6] = [
    ("OpenAI", openai::ROWS),
    ("OpenAI's `/v1/responses`", responses::ROWS),
    ("vLLM and SGLang", vllm::ROWS),
    ("llama-server, Ollama's `options`, TGI", llama_server::ROWS),
    ("Ollama's `/api/chat` and `/api/generate`", ollama::ROWS),
    ("Embeddings, in every API", embeddings::ROWS),
];

const fn row(
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
    fn covers(self, endpoint: On) -> bool {
        self == endpoint || (self == On::Both && [On::Chat, On::Completions].contains(&endpoint))
    }
}

/// All rows that count at an endpoint.
pub fn at(endpoint: On) -> impl Iterator<Item = &'static Field> {
    let all = TABLES.iter().flat_map(|(_, rows)| rows.iter());
    all.filter(move |row| row.on.covers(endpoint))
}

/// Looks at every field of a body that came to `endpoint`.
///
/// # Errors
/// A 400 that names a field which asks for what is not done here.
pub fn survey(body: &Map<String, Value>, endpoint: On) -> Result<(), ApiError> {
    for (name, value) in body {
        match at(endpoint).find(|row| row.name == name) {
            Some(row) => row.check(value)?,
            None => {
                let field: String = name.chars().take(80).collect();
                tracing::debug!(field, "a field that is not known here was passed over");
            }
        }
    }
    Ok(())
}

/// Takes the fields out of a body that only `endpoint` has.
///
/// # Errors
/// As [`survey`].
pub fn take_own(
    body: &mut Map<String, Value>,
    endpoint: On,
) -> Result<Map<String, Value>, ApiError> {
    let mut own = Map::new();
    for row in at(endpoint).filter(|row| row.on == endpoint) {
        if let Some(value) = body.remove(row.name) {
            row.check(&value)?;
            own.insert(row.name.to_owned(), value);
        }
    }
    Ok(own)
}

impl Field {
    fn check(&self, value: &Value) -> Result<(), ApiError> {
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
