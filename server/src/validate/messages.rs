//! Wire messages to a [`Conversation`].

use serde_json::{Map, Value};

use crate::api::request::WireMessage;
use crate::error::ApiError;
use crate::prompt::{Conversation, Message, Role};

/// Checks roles and joins content parts.
pub(super) fn conversation(
    wire: Vec<WireMessage>,
    variables: Map<String, Value>,
) -> Result<Conversation, ApiError> {
    if wire.is_empty() {
        return Err(ApiError::invalid_param(
            "messages",
            "messages is empty; send at least one message",
        ));
    }
    let messages = wire.into_iter().enumerate();
    let messages = messages
        .map(|(index, message)| checked(index, message))
        .collect::<Result<_, _>>()?;
    Ok(Conversation {
        messages,
        variables,
    })
}

fn checked(index: usize, wire: WireMessage) -> Result<Message, ApiError> {
    let role = match wire.role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        other => {
            let other: String = other.chars().take(40).collect();
            let message = format!(
                "messages[{index}].role is \"{other}\"; it must be system, developer, user, assistant or tool"
            );
            return Err(ApiError::invalid_param(
                format!("messages[{index}].role"),
                message,
            ));
        }
    };
    let more = more(index, role, &wire)?;
    let content = content(index, role, wire.content)?;
    Ok(Message {
        role,
        content,
        more,
    })
}

/// What a message has besides text; absent where the wire has null or nothing.
fn more(index: usize, role: Role, wire: &WireMessage) -> Result<Map<String, Value>, ApiError> {
    let texts = [
        ("reasoning_content", &wire.reasoning_content),
        ("tool_call_id", &wire.tool_call_id),
        ("name", &wire.name),
    ];
    let texts = texts.into_iter().filter_map(|(name, text)| {
        let text = text.as_ref()?;
        Some((name.to_string(), Value::from(text.as_str())))
    });
    let mut more: Map<String, Value> = texts.collect();
    let calls = match &wire.tool_calls {
        Value::Null => return Ok(more),
        Value::Array(calls) if calls.is_empty() => return Ok(more),
        Value::Array(calls) if role == Role::Assistant => calls,
        _ => {
            let param = format!("messages[{index}].tool_calls");
            let message = format!("{param} must be a list, in an assistant's message");
            return Err(ApiError::invalid_param(param, message));
        }
    };
    let calls = calls.iter().enumerate();
    let calls = calls.map(|(number, call)| tool_call(index, number, call));
    more.insert("tool_calls".into(), calls.collect::<Result<_, _>>()?);
    Ok(more)
}

/// A call as templates expect it: OpenAI's clients send the arguments as JSON in a string, while
/// templates are written for the map that it holds (transformers, "Tool use").
fn tool_call(index: usize, number: usize, call: &Value) -> Result<Value, ApiError> {
    if !call["function"]["name"].is_string() {
        let param = format!("messages[{index}].tool_calls[{number}]");
        let message = format!("{param} must have function.name, a string");
        return Err(ApiError::invalid_param(param, message));
    }
    let mut call = call.clone();
    if let Some(arguments) = call.pointer_mut("/function/arguments") {
        let parsed = arguments.as_str().map(serde_json::from_str);
        if let Some(Ok(map @ Value::Object(_))) = parsed {
            *arguments = map;
        }
    }
    Ok(call)
}

fn content(index: usize, role: Role, wire: Value) -> Result<String, ApiError> {
    let wrong = |place: String, problem: &str| {
        let message = format!("{place} {problem}");
        Err(ApiError::invalid_param(place, message))
    };
    match wire {
        Value::String(text) => Ok(text),
        Value::Null if role == Role::Assistant => Ok(String::new()),
        Value::Array(parts) => {
            let mut texts = Vec::with_capacity(parts.len().min(64));
            for (number, part) in parts.iter().enumerate() {
                let place = format!("messages[{index}].content[{number}]");
                match (part["type"].as_str(), part["text"].as_str()) {
                    (Some("text"), Some(text)) => texts.push(text),
                    (Some("text"), None) => return wrong(place, "has no text"),
                    _ => {
                        return wrong(
                            place,
                            "must be {\"type\": \"text\", \"text\": ...}; this model reads text only",
                        );
                    }
                }
            }
            Ok(texts.join("\n"))
        }
        Value::Null => wrong(
            format!("messages[{index}].content"),
            "is missing; only an assistant's may be null",
        ),
        _ => wrong(
            format!("messages[{index}].content"),
            "must be a string or a list of text parts",
        ),
    }
}
