//! What a template sees: the variables that transformers hands in.
//!
//! `messages`, `add_generation_prompt`, `bos_token` and `eos_token` (where the model has them), and
//! `tools` and `documents`, which are None where there are none: templates ask `tools is not none` as well as
//! `tools is defined`. Whatever else the request names comes on top.

use minijinja::Value;
use minijinja::value::Serde;
use serde_json::Map;

use super::{Fields, TokenTexts};

/// Names under which clients send what an assistant thought; the first that there is counts.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// All variables.
pub(super) fn of(
    messages: &[Fields],
    tools: &[serde_json::Value],
    asked: &Map<String, serde_json::Value>,
    begins_answer: bool,
    tokens: &TokenTexts,
) -> Value {
    let messages: Vec<Value> = messages.iter().map(message).collect();
    let defaults = ["tools", "documents"].map(|name| (name.to_owned(), Value::from(())));
    let asked = asked.iter();
    let asked = asked.map(|(name, value)| (name.clone(), Value::from(Serde(value))));
    // Tools that are offered count; those of a variable, where none are.
    let tools = (!tools.is_empty()).then(|| ("tools".to_owned(), Value::from(Serde(tools))));
    // Ours come last, so that a request cannot stand in for them.
    let ours = [
        ("messages", Some(Value::from(messages))),
        ("add_generation_prompt", Some(Value::from(begins_answer))),
        ("bos_token", token(&tokens.bos)),
        ("eos_token", token(&tokens.eos)),
        ("user_token", token(&tokens.user)),
        ("assistant_token", token(&tokens.assistant)),
    ];
    let ours = ours.into_iter();
    let ours = ours.map(|(name, value)| (name.to_owned(), value.unwrap_or(Value::UNDEFINED)));
    Value::from_pairs(defaults.into_iter().chain(asked).chain(tools).chain(ours))
}

/// A token's text; a model without the token has no such variable.
fn token(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| Value::from(text))
}

/// A message, with its thoughts under the names that templates read.
fn message(fields: &Fields) -> Value {
    let sent = REASONING.iter().find_map(|name| fields.get(*name));
    let Some(thoughts) = sent else {
        return Value::from(Serde(fields));
    };
    let mut named = Map::from_iter([("thinking".to_owned(), thoughts.clone())]);
    named.extend(fields.clone());
    named.insert("reasoning_content".to_owned(), thoughts.clone());
    Value::from(Serde(&named))
}
