//! The conversation of a request: items of `input` as messages of a chat.
//!
//! What is one message of an assistant there is several items here: thoughts, text, calls. They come together
//! again, because chat templates know messages.

use serde_json::{Map, Value, json};

use crate::error::ApiError;

/// The messages, oldest first; `instructions` are the system's.
///
/// # Errors
/// A 400 that names the item: of a wrong form, or of a kind that is not known here.
pub(super) fn messages(
    instructions: Option<&str>,
    input: Option<Value>,
) -> Result<Vec<Value>, ApiError> {
    let mut talk = Conversation::default();
    if let Some(text) = instructions {
        talk.say("system", text.into());
    }
    match input {
        None | Some(Value::Null) => {
            return Err(wrong("input", "is missing; send a text or a list of items"));
        }
        Some(Value::String(text)) => talk.say("user", text.into()),
        Some(Value::Array(items)) if items.is_empty() => {
            return Err(wrong("input", "is empty; send at least one item"));
        }
        Some(Value::Array(items)) => {
            for (index, item) in items.into_iter().enumerate() {
                talk.add(&format!("input[{index}]"), item)?;
            }
        }
        Some(_) => return Err(wrong("input", "must be a text or a list of items")),
    }
    Ok(talk.0.into_iter().map(Value::Object).collect())
}

/// Messages so far.
#[derive(Default)]
struct Conversation(Vec<Map<String, Value>>);

impl Conversation {
    fn say(&mut self, role: &str, content: Value) {
        let fields = [("role", role.into()), ("content", content)];
        let fields = fields.map(|(name, value): (&str, Value)| (name.to_owned(), value));
        self.0.push(fields.into_iter().collect());
    }

    fn add(&mut self, place: &str, item: Value) -> Result<(), ApiError> {
        let Value::Object(mut item) = item else {
            return Err(wrong(place, "must be an object"));
        };
        let kind = match item.get("type") {
            None | Some(Value::Null) => "message".to_owned(),
            Some(Value::String(kind)) => kind.clone(),
            Some(_) => return Err(wrong(&format!("{place}.type"), "must be a text")),
        };
        match kind.as_str() {
            "message" => self.message(place, item),
            "reasoning" => self.reasoning(place, &item),
            "function_call" => self.call(place, &item),
            "function_call_output" => {
                let id = text(place, &item, "call_id")?;
                let output = item.remove("output").unwrap_or_default();
                let output = content(&format!("{place}.output"), output)?;
                self.say("tool", output);
                self.set("tool_call_id", id.into());
                Ok(())
            }
            other => {
                let field = format!("{place}.type");
                let kind: String = other.chars().take(40).collect();
                let message = format!(
                    "{field} is \"{kind}\"; this server has message, reasoning, function_call and function_call_output, and keeps no items"
                );
                Err(ApiError::unsupported(field, message))
            }
        }
    }

    fn message(&mut self, place: &str, mut item: Map<String, Value>) -> Result<(), ApiError> {
        let role = text(place, &item, "role")?;
        if !["user", "assistant", "system", "developer"].contains(&role.as_str()) {
            let role: String = role.chars().take(40).collect();
            let what = format!("is \"{role}\"; it must be user, assistant, system or developer");
            return Err(wrong(&format!("{place}.role"), &what));
        }
        let said = item.remove("content").unwrap_or_default();
        let said = content(&format!("{place}.content"), said)?;
        let goes_on = role == "assistant" && self.has_only_thoughts();
        match goes_on {
            true => self.set("content", said),
            false => self.say(&role, said),
        }
        Ok(())
    }

    /// What the model thought, before what it says and calls.
    fn reasoning(&mut self, place: &str, item: &Map<String, Value>) -> Result<(), ApiError> {
        let mut thoughts = String::new();
        for field in ["content", "summary"] {
            let parts = match item.get(field) {
                None | Some(Value::Null) => continue,
                Some(Value::Array(parts)) => parts,
                Some(_) => return Err(wrong(&format!("{place}.{field}"), "must be a list")),
            };
            // A summary stands for thoughts that are not there.
            let counts = thoughts.is_empty();
            for (index, part) in parts.iter().enumerate() {
                let text = part["text"].as_str().ok_or_else(|| {
                    wrong(&format!("{place}.{field}[{index}]"), "must have a text")
                })?;
                thoughts.push_str(if counts { text } else { "" });
            }
        }
        let encrypted = item
            .get("encrypted_content")
            .is_some_and(|sent| !sent.is_null() && sent != "");
        if thoughts.is_empty() && encrypted {
            let field = format!("{place}.encrypted_content");
            let message =
                format!("{field} was encrypted elsewhere and cannot be read; leave the item out");
            return Err(ApiError::unsupported(field, message));
        }
        if !thoughts.is_empty() {
            self.say("assistant", "".into());
            self.set("reasoning_content", thoughts.into());
        }
        Ok(())
    }

    fn call(&mut self, place: &str, item: &Map<String, Value>) -> Result<(), ApiError> {
        let name = text(place, item, "name")?;
        let arguments = text(place, item, "arguments")?;
        let id = text(place, item, "call_id")?;
        let function = json!({"name": name, "arguments": arguments});
        let call = json!({"id": id, "type": "function", "function": function});
        let calls = |message: &&mut Map<String, Value>| message["role"] == "assistant";
        if self.0.last_mut().filter(calls).is_none() {
            self.say("assistant", Value::Null);
        }
        let message = self.0.last_mut();
        let calls = message.map(|message| message.entry("tool_calls").or_insert(json!([])));
        if let Some(Value::Array(calls)) = calls {
            calls.push(call);
        }
        Ok(())
    }

    /// Whether the last message is one of which there are thoughts and nothing else.
    fn has_only_thoughts(&self) -> bool {
        self.0.last().is_some_and(|message| {
            message.contains_key("reasoning_content")
                && message["content"] == ""
                && !message.contains_key("tool_calls")
        })
    }

    /// Sets a field of the last message.
    fn set(&mut self, name: &str, value: Value) {
        if let Some(message) = self.0.last_mut() {
            message.insert(name.into(), value);
        }
    }
}

/// A text, or parts of one, as messages have them.
fn content(place: &str, sent: Value) -> Result<Value, ApiError> {
    let parts = match sent {
        Value::String(text) => return Ok(text.into()),
        Value::Array(parts) => parts,
        _ => return Err(wrong(place, "must be a text or a list of parts")),
    };
    let parts = parts.into_iter().enumerate();
    let parts = parts.map(|(index, part)| self::part(&format!("{place}[{index}]"), part));
    let mut parts = parts.collect::<Result<Vec<Value>, ApiError>>()?;
    Ok(match parts.len() {
        1 => parts.remove(0),
        _ => {
            let part = |text| json!({"type": "text", "text": text});
            parts.into_iter().map(part).collect()
        }
    })
}

/// The text of a part.
fn part(place: &str, mut part: Value) -> Result<Value, ApiError> {
    let field = match part["type"].as_str() {
        Some("input_text" | "output_text" | "text") => "text",
        Some("refusal") => "refusal",
        Some("input_image" | "input_file" | "input_audio") => {
            let message = format!("{place}: this model reads text only");
            return Err(ApiError::unsupported(place, message));
        }
        _ => {
            let what = "must be {\"type\": \"input_text\", \"text\": ...}, or output_text";
            return Err(wrong(place, what));
        }
    };
    match part[field].take() {
        Value::String(text) => Ok(text.into()),
        _ => Err(wrong(&format!("{place}.{field}"), "must be a text")),
    }
}

fn text(place: &str, item: &Map<String, Value>, field: &str) -> Result<String, ApiError> {
    match item.get(field) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err(wrong(&format!("{place}.{field}"), "must be a text")),
    }
}

fn wrong(field: &str, what: &str) -> ApiError {
    ApiError::invalid_param(field, format!("{field} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: Value) -> Value {
        match messages(None, Some(input)) {
            Ok(messages) => messages.into(),
            Err(error) => error.body()["error"]["param"].clone(),
        }
    }

    #[test]
    fn a_text_is_a_message_and_instructions_come_first() {
        let talk = messages(Some("be brief"), Some("hi".into())).expect("valid");
        let wanted = json!([
            {"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"},
        ]);
        assert_eq!(Value::from(talk), wanted);
    }

    #[test]
    fn items_of_one_turn_are_one_message() {
        let part = |kind: &str, text: &str| json!({"type": kind, "text": text});
        let call = |id: &str| json!({"type": "function_call", "id": "fc_1", "call_id": id, "name": "f", "arguments": "{}", "status": "completed"});
        let input = json!([
            {"role": "user", "content": [part("input_text", "a"), part("input_text", "b")]},
            {"type": "reasoning", "id": "rs_1", "summary": [part("summary_text", "short")],
             "content": [part("reasoning_text", "why"), part("reasoning_text", " not")], "encrypted_content": "x"},
            {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
             "content": [{"type": "output_text", "text": "c", "annotations": [], "logprobs": []}]},
            call("1"),
            call("2"),
            {"type": "function_call_output", "call_id": "1", "output": "x"},
            {"type": "function_call_output", "call_id": "2", "output": [part("input_text", "y")]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
            {"type": "reasoning", "summary": []},
            call("3"),
            {"role": "developer", "content": "d"},
            {"type": "reasoning", "summary": [part("summary_text", "short")]},
            call("4"),
        ]);
        let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
        let wanted = json!([
            {"role": "user", "content": [part("text", "a"), part("text", "b")]},
            {"role": "assistant", "content": "c", "reasoning_content": "why not", "tool_calls": [call("1"), call("2")]},
            {"role": "tool", "content": "x", "tool_call_id": "1"},
            {"role": "tool", "content": "y", "tool_call_id": "2"},
            {"role": "assistant", "content": "no", "tool_calls": [call("3")]},
            {"role": "developer", "content": "d"},
            {"role": "assistant", "content": "", "reasoning_content": "short", "tool_calls": [call("4")]},
        ]);
        assert_eq!(read(input), wanted);
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_its_place() {
        let user = |content: Value| json!([{"role": "user", "content": content}]);
        let cases = [
            (json!([]), "input"),
            (json!(3), "input"),
            (json!(["a"]), "input[0]"),
            (json!([{"type": 3}]), "input[0].type"),
            (
                json!([{"type": "item_reference", "id": "x"}]),
                "input[0].type",
            ),
            (json!([{"type": "web_search_call"}]), "input[0].type"),
            (json!([{"content": "a"}]), "input[0].role"),
            (json!([{"role": "tool", "content": "a"}]), "input[0].role"),
            (json!([{"role": "user"}]), "input[0].content"),
            (user(json!([7])), "input[0].content[0]"),
            (
                user(json!([{"type": "input_image"}])),
                "input[0].content[0]",
            ),
            (
                user(json!([{"type": "input_text"}])),
                "input[0].content[0].text",
            ),
            (json!([{"type": "function_call"}]), "input[0].name"),
            (
                json!([{"type": "function_call", "name": "f", "arguments": {}}]),
                "input[0].arguments",
            ),
            (
                json!([{"type": "function_call_output", "output": "x"}]),
                "input[0].call_id",
            ),
            (
                json!([{"type": "function_call_output", "call_id": "1"}]),
                "input[0].output",
            ),
            (
                json!([{"type": "reasoning", "summary": "x"}]),
                "input[0].summary",
            ),
            (
                json!([{"type": "reasoning", "content": [3]}]),
                "input[0].content[0]",
            ),
            (
                json!([{"type": "reasoning", "encrypted_content": "x"}]),
                "input[0].encrypted_content",
            ),
        ];
        for (input, place) in cases {
            assert_eq!(read(input.clone()), json!(place), "{input}");
        }
        let missing = messages(Some("a"), None).expect_err("refused").body();
        assert_eq!(missing["error"]["param"], "input");
    }
}
