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
    if wire
        .tool_calls
        .as_array()
        .is_some_and(|calls| !calls.is_empty())
    {
        let param = format!("messages[{index}].tool_calls");
        let message =
            format!("{param}: this server makes no tool calls, so it cannot continue after them");
        return Err(ApiError::unsupported(param, message));
    }
    let content = content(index, role, wire.content)?;
    Ok(Message { role, content })
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
