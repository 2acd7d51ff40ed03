//! Every field of a request that clients are known to send, and what becomes of it.
//!
//! A field is honoured, refused by its name unless its value means that it is off, or known to have no effect
//! here. One that is in no row passes, because clients send what other servers know, and is named in a debug
//! log. `docs/en/requests.md` shows the tables; a test holds it to them.

mod embeddings;
mod field;
mod llama_server;
mod ollama;
mod openai;
mod responses;
mod types;
mod vllm;

pub use field::{Field, On, Reading};
pub use types::Type;

use serde_json::{Map, Value};

use crate::error::ApiError;
use field::row;

/// The tables, each with its title.
pub const TABLES: [(&str, &[Field]); 6] = [
    ("OpenAI", openai::ROWS),
    ("OpenAI's `/v1/responses`", responses::ROWS),
    ("vLLM and SGLang", vllm::ROWS),
    ("llama-server, Ollama's `options`, TGI", llama_server::ROWS),
    ("Ollama's `/api/chat` and `/api/generate`", ollama::ROWS),
    ("Embeddings, in every API", embeddings::ROWS),
];

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
