//! Schemas of bodies, from the tables of their fields.

use serde_json::{Map, Value, json};

use crate::api::fields::{Field, On, Reading, at};

/// The body of `/v1/chat/completions`.
pub fn chat() -> Value {
    object(at(On::Chat), &["messages"])
}

/// The body of `/v1/completions`.
pub fn completion() -> Value {
    object(at(On::Completions), &["prompt"])
}

/// The body of `/v1/responses`: its own fields, and those of a chat.
pub fn response() -> Value {
    let chat = at(On::Chat).filter(|row| row.name != "messages");
    object(at(On::Responses).chain(chat), &["input"])
}

/// The body of `/api/chat`: Ollama's fields, and those of a chat.
pub fn ollama_chat() -> Value {
    object(at(On::Ollama).chain(at(On::Chat)), &[])
}

/// The body of `/api/generate`: the same, of one text.
pub fn ollama_generate() -> Value {
    let chat = at(On::Chat).filter(|row| row.name != "messages");
    let mut schema = object(at(On::Ollama).chain(chat), &[]);
    schema["properties"]["prompt"] = json!({
        "type": ["string", "null"], "description": "what is answered, or with `raw` continued",
    });
    schema
}

/// The body of a request for embeddings, in any API: one of the names of what is embedded.
pub fn embeddings() -> Value {
    object(at(On::Embeddings), &[])
}

/// An object of these fields, the first of each name; others pass.
fn object<'r>(rows: impl Iterator<Item = &'r Field>, required: &[&str]) -> Value {
    let mut properties = Map::new();
    for row in rows {
        properties.entry(row.name).or_insert_with(|| property(row));
    }
    json!({"type": "object", "properties": properties, "required": required})
}

/// What a field may hold.
fn property(row: &Field) -> Value {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let mut schema = match row.reading {
        Reading::Honoured(of) => of.schema(),
        Reading::RefusedUnless(off) => {
            let off = off.iter().map(|off| parsed(off));
            let off: Vec<Value> = std::iter::once(Value::Null).chain(off).collect();
            json!({"enum": off})
        }
        Reading::Template | Reading::NoEffect => json!({}),
    };
    schema["description"] = row.what.into();
    schema
}
