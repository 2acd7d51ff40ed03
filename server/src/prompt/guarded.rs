//! A conversation in which no text of the client's can become a control token: every text of it, names of fields
//! too, as [`Guard`] leaves it.

use serde_json::{Map, Value};

use super::guard::Guard;
use super::{Conversation, Message};

/// The conversation with all texts guarded.
pub(super) fn conversation(guard: &Guard, conversation: &Conversation, mark: char) -> Conversation {
    let guarded = Guarded { guard, mark };
    let messages = conversation.messages.iter();
    let tools = conversation.tools.iter();
    Conversation {
        messages: messages.map(|message| guarded.message(message)).collect(),
        tools: tools.map(|tool| guarded.value(tool)).collect(),
        variables: guarded.map(&conversation.variables),
        ending: conversation.ending,
    }
}

#[derive(Clone, Copy)]
struct Guarded<'a> {
    guard: &'a Guard,
    mark: char,
}

impl Guarded<'_> {
    fn message(self, message: &Message) -> Message {
        let arguments = |arguments: &Option<Value>| {
            let arguments = arguments.as_ref();
            arguments.map(|arguments| self.value(arguments))
        };
        Message {
            role: message.role,
            fields: self.fields(&message.fields),
            arguments: message.arguments.iter().map(arguments).collect(),
        }
    }

    /// Fields of a message. Those that templates and we look at keep their names, and the role, which
    /// is one of ours, is what templates compare.
    fn fields(self, fields: &Map<String, Value>) -> Map<String, Value> {
        let field = |(name, value): (&String, &Value)| match name.as_str() {
            "role" => (name.clone(), value.clone()),
            "content" | "tool_calls" => (name.clone(), self.value(value)),
            other => (self.guard.apply(other, self.mark), self.value(value)),
        };
        fields.iter().map(field).collect()
    }

    /// Variables, whose names are the template's.
    fn map(self, map: &Map<String, Value>) -> Map<String, Value> {
        map.iter()
            .map(|(name, value)| (name.clone(), self.value(value)))
            .collect()
    }

    /// Depth is bounded by the JSON parser's own limit.
    fn value(self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.guard.apply(text, self.mark)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            // Templates print whole maps as JSON, names included.
            Value::Object(map) => map
                .iter()
                .map(|(name, value)| (self.guard.apply(name, self.mark), self.value(value)))
                .collect(),
            other => other.clone(),
        }
    }
}
