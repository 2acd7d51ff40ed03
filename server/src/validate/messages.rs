//! Messages as sent to a [`Conversation`].
//!
//! A chat template sees each message as the client wrote it, all fields in their order, so nothing is
//! rewritten here: what is checked is that the fields that the API defines are what it says.

use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::prompt::{Conversation, Ending, Message, Role};

/// Checks roles, contents and tool calls.
pub(super) fn conversation(
    sent: Vec<Map<String, Value>>,
    tools: Vec<Value>,
    variables: Map<String, Value>,
    ending: Ending,
) -> Result<Conversation, ApiError> {
    if sent.is_empty() {
        return Err(ApiError::invalid_param(
            "messages",
            "messages is empty; send at least one message",
        ));
    }
    let messages = sent.into_iter().enumerate();
    let messages = messages
        .map(|(index, fields)| checked(index, fields))
        .collect::<Result<_, _>>()?;
    Ok(Conversation {
        messages,
        tools,
        variables,
        ending,
    })
}

fn checked(index: usize, mut fields: Map<String, Value>) -> Result<Message, ApiError> {
    let role = role(index, fields.get("role"))?;
    for name in ["reasoning_content", "tool_call_id", "name"] {
        let value = fields.get(name).unwrap_or(&Value::Null);
        if !value.is_string() && !value.is_null() {
            return Err(wrong(
                format!("messages[{index}].{name}"),
                "must be a string",
            ));
        }
    }
    check_content(index, role, fields.get("content").unwrap_or(&Value::Null))?;
    check_calls(index, role, fields.get("tool_calls"))?;
    // Clients send null, or an empty list of calls, for what a message does not have. Templates ask
    // whether a field is there. Only a content of null says something: that there are calls instead.
    fields.retain(|name, value| match name.as_str() {
        "content" => true,
        "tool_calls" => value.as_array().is_some_and(|calls| !calls.is_empty()),
        _ => !value.is_null(),
    });
    Ok(Message::of_fields(role, fields))
}

fn wrong(place: String, problem: &str) -> ApiError {
    let message = format!("{place} {problem}");
    ApiError::invalid_param(place, message)
}

fn role(index: usize, sent: Option<&Value>) -> Result<Role, ApiError> {
    let place = format!("messages[{index}].role");
    let Some(name) = sent.and_then(Value::as_str) else {
        return Err(wrong(place, "must be a string"));
    };
    let role = Role::ALL.into_iter().find(|role| role.name() == name);
    role.ok_or_else(|| {
        let name: String = name.chars().take(40).collect();
        let problem =
            format!("is \"{name}\"; it must be system, developer, user, assistant or tool");
        wrong(place, &problem)
    })
}

fn check_calls(index: usize, role: Role, sent: Option<&Value>) -> Result<(), ApiError> {
    let place = format!("messages[{index}].tool_calls");
    let calls = match sent {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(calls)) if calls.is_empty() || role == Role::Assistant => calls,
        Some(_) => return Err(wrong(place, "must be a list, in an assistant's message")),
    };
    let nameless = |call: &Value| !call["function"]["name"].is_string();
    match calls.iter().position(nameless) {
        Some(number) => {
            let place = format!("{place}[{number}]");
            Err(wrong(place, "must have function.name, a string"))
        }
        None => Ok(()),
    }
}

fn check_content(index: usize, role: Role, sent: &Value) -> Result<(), ApiError> {
    let place = format!("messages[{index}].content");
    let parts = match sent {
        Value::String(_) => return Ok(()),
        Value::Null if role == Role::Assistant => return Ok(()),
        Value::Null => {
            return Err(wrong(place, "is missing; only an assistant's may be null"));
        }
        Value::Array(parts) => parts,
        _ => return Err(wrong(place, "must be a string or a list of text parts")),
    };
    for (number, part) in parts.iter().enumerate() {
        let place = format!("{place}[{number}]");
        match (part["type"].as_str(), part["text"].as_str()) {
            (Some("text"), Some(_)) => {}
            (Some("text"), None) => return Err(wrong(place, "has no text")),
            _ => {
                let problem =
                    "must be {\"type\": \"text\", \"text\": ...}; this model reads text only";
                return Err(wrong(place, problem));
            }
        }
    }
    Ok(())
}
