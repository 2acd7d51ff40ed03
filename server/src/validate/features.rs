//! Requests for what this server does not do are refused by name, never ignored: a client that asks
//! for JSON of a schema and gets prose has no way to notice.

use serde_json::{Map, Value};

use crate::error::ApiError;

/// Refuses bodies that ask for other media.
///
/// # Errors
/// A 400 with code `unsupported_parameter` that names the field.
pub fn refuse_unsupported(body: &Map<String, Value>) -> Result<(), ApiError> {
    let speaks = |modality: &Value| modality != "text";
    if body
        .get("modalities")
        .and_then(Value::as_array)
        .is_some_and(|list| list.iter().any(speaks))
    {
        return Err(ApiError::unsupported(
            "modalities",
            "modalities: only [\"text\"] is supported",
        ));
    }
    if body.get("audio").is_some_and(asks) {
        return Err(ApiError::unsupported(
            "audio",
            "audio: this server answers with text only",
        ));
    }
    Ok(())
}

/// Whether a value asks for something: null, false and empty lists, maps and texts do not.
fn asks(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}
