//! One message of a conversation, as the client sent it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Instructions.
    System,
    /// Instructions, by the API's newer name.
    Developer,
    /// The human.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 5] = [
        Role::System,
        Role::Developer,
        Role::User,
        Role::Assistant,
        Role::Tool,
    ];

    /// The name in requests and in templates.
    pub fn name(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// All that was sent, in that order: `role`, `content` (a text, a list of parts, null, or not there
    /// at all), `tool_calls` and whatever else a template may know.
    pub fields: Map<String, Value>,
    /// Of each tool call the arguments as an object, if they are one.
    ///
    /// Clients send them as JSON in a string, and templates want the one or the other. Both are kept,
    /// because one cannot be made from the other once client text is guarded: JSON can hide a control
    /// token behind escapes.
    pub arguments: Vec<Option<Value>>,
}

impl Message {
    /// A message of nothing but text.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        let fields = [
            ("role", Value::from(role.name())),
            ("content", Value::from(content.into())),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value));
        Self::of_fields(role, fields.into_iter().collect())
    }

    /// A message as it was sent.
    pub fn of_fields(role: Role, fields: Map<String, Value>) -> Self {
        let calls = fields.get("tool_calls").and_then(Value::as_array);
        let calls = calls.into_iter().flatten();
        let arguments = calls.map(|call| object(&call["function"]["arguments"]));
        Self {
            role,
            arguments: arguments.collect(),
            fields,
        }
    }

    /// Whether it makes tool calls.
    pub fn has_calls(&self) -> bool {
        self.fields.contains_key("tool_calls")
    }
}

/// Arguments as an object. Blank text, which some clients send for a call without arguments, is an
/// empty one.
fn object(arguments: &Value) -> Option<Value> {
    match arguments {
        Value::Object(_) => Some(arguments.clone()),
        Value::String(text) if text.trim().is_empty() => Some(Value::Object(Map::new())),
        Value::String(text) => serde_json::from_str(text).ok().filter(Value::is_object),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_objects_where_they_hold_one() {
        let call = |arguments: Value| json!({"function": {"name": "f", "arguments": arguments}});
        let calls = json!([
            call(json!("{\"b\": 1, \"a\": [2]}")),
            call(json!({"c": 3})),
            call(json!(" ")),
            call(json!("no JSON")),
            call(json!("[1]")),
            {"function": {"name": "f"}},
        ]);
        let fields = Map::from_iter([("tool_calls".to_owned(), calls.clone())]);
        let message = Message::of_fields(Role::Assistant, fields);
        let objects: Vec<Value> = message.arguments.iter().flatten().cloned().collect();
        assert_eq!(
            Value::from(objects).to_string(),
            r#"[{"b":1,"a":[2]},{"c":3},{}]"#
        );
        assert_eq!(message.arguments[3..], [None, None, None]);
        assert_eq!(message.fields["tool_calls"], calls, "sent text stays");
    }
}
