//! Tools for templates that do not render them, or render them for calls of an unknown syntax: they are described in
//! the system's message, calls are written as Hermes' models write them, and results come as a user's message.

use serde_json::{Map, Value, json};

use crate::prompt::{Conversation, Message, Role};

/// The same conversation without anything that a template must know of tools. If there are any, they are described
/// in a system's message, and for templates that refuse those, in a second form, in the first message.
pub fn rewritten(conversation: &Conversation) -> (Conversation, Option<Conversation>) {
    let messages = without_tools(&conversation.messages);
    let plain = Conversation {
        messages,
        tools: Vec::new(),
        variables: conversation.variables.clone(),
        ending: conversation.ending,
    };
    if conversation.tools.is_empty() {
        return (plain, None);
    }
    let description = description(&conversation.tools);
    let (mut first, mut second) = (plain.clone(), plain);
    match first.messages.first_mut() {
        Some(system) if matches!(system.role, Role::System | Role::Developer) => {
            add(system, &description, false);
        }
        _ => {
            let system = Message::new(Role::System, description.clone());
            first.messages.insert(0, system);
        }
    }
    if let Some(message) = second.messages.first_mut() {
        add(message, &description, true);
    }
    (first, Some(second))
}

/// What a model is told, in few words: on a CPU, every token of a prompt takes its time.
fn description(tools: &[Value]) -> String {
    let mut text = String::from("You may call these functions:");
    for tool in tools {
        text.push('\n');
        text.push_str(&tool["function"].to_string());
    }
    text + "\n\nTo call one, write:\n<tool_call>\n{\"name\": \"...\", \"arguments\": {...}}\n</tool_call>"
}

/// Adds a paragraph to a message.
fn add(message: &mut Message, text: &str, in_front: bool) {
    let content = message.fields.entry("content").or_insert(Value::Null);
    match content {
        Value::Array(parts) => {
            let part = json!({"type": "text", "text": text});
            let place = if in_front { 0 } else { parts.len() };
            parts.insert(place, part);
        }
        content => {
            let said = content.as_str().unwrap_or_default();
            *content = match (said, in_front) {
                ("", _) => text.into(),
                (said, true) => format!("{text}\n\n{said}").into(),
                (said, false) => format!("{said}\n\n{text}").into(),
            };
        }
    }
}

fn without_tools(messages: &[Message]) -> Vec<Message> {
    let mut plain: Vec<Message> = Vec::new();
    let mut is_result = false;
    for message in messages {
        let follows = std::mem::replace(&mut is_result, message.role == Role::Tool);
        if is_result {
            let result = format!("<tool_response>\n{}\n</tool_response>", said(message));
            match plain.last_mut().filter(|_| follows) {
                // The results of several calls are one message.
                Some(last) => {
                    let text = format!("{}\n{result}", said(last));
                    last.fields.insert("content".into(), text.into());
                }
                None => plain.push(Message::new(Role::User, result)),
            }
        } else if message.has_calls() {
            plain.push(with_calls_as_text(message));
        } else {
            plain.push(message.clone());
        }
    }
    plain
}

fn with_calls_as_text(message: &Message) -> Message {
    let mut fields: Map<String, Value> = message.fields.clone();
    let calls = fields.shift_remove("tool_calls").unwrap_or_default();
    let calls = calls.as_array().into_iter().flatten().map(|call| {
        let function = &call["function"];
        let arguments = match &function["arguments"] {
            Value::Null => "{}".to_owned(),
            Value::String(text) if text.trim().is_empty() => "{}".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let name = &function["name"];
        format!("<tool_call>\n{{\"name\": {name}, \"arguments\": {arguments}}}\n</tool_call>")
    });
    let said = said(message);
    let texts = (!said.is_empty()).then_some(said).into_iter().chain(calls);
    let text = texts.collect::<Vec<_>>().join("\n");
    fields.insert("content".into(), text.into());
    Message::of_fields(message.role, fields)
}

/// The text of a message.
fn said(message: &Message) -> String {
    match message.fields.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter_map(|part| part["text"].as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: Role, fields: Value) -> Message {
        Message::of_fields(role, fields.as_object().cloned().unwrap_or_default())
    }

    fn contents(conversation: &Conversation) -> Vec<(&str, String)> {
        let messages = conversation.messages.iter();
        messages.map(|one| (one.role.name(), said(one))).collect()
    }

    #[test]
    fn tools_are_told_of_where_the_template_has_a_place_for_it() {
        let tool = json!({"type": "function", "function": {"name": "get"}});
        let of = |messages: Vec<Message>| Conversation {
            messages,
            tools: vec![tool.clone()],
            ..Conversation::default()
        };
        let user = || Message::new(Role::User, "hi");
        let (first, second) = rewritten(&of(vec![user()]));
        let second = second.expect("two forms");
        assert_eq!(first.messages[0].role, Role::System);
        let told = said(&first.messages[0]);
        assert!(told.contains("functions:\n{\"name\":\"get\"}\n"), "{told}");
        assert_eq!(contents(&second), [("user", format!("{told}\n\nhi"))]);
        assert!(first.tools.is_empty() && second.tools.is_empty());

        let parts = json!({"role": "system", "content": [{"type": "text", "text": "be kind"}]});
        for system in [
            Message::new(Role::System, "be kind"),
            message(Role::System, parts),
        ] {
            let (first, _) = rewritten(&of(vec![system, user()]));
            let said = said(&first.messages[0]);
            assert!(
                said.starts_with("be kind\n") && said.ends_with(&told),
                "{said}"
            );
            assert_eq!(first.messages.len(), 2);
        }
    }

    #[test]
    fn calls_and_results_become_text() {
        let call = |arguments: Value| json!({"id": "1", "function": {"name": "get", "arguments": arguments}});
        let calls = json!([
            call(json!("{\"a\": \"中\"}")),
            call(json!({"b": 1})),
            call(json!(""))
        ]);
        let talk = Conversation {
            messages: vec![
                Message::new(Role::User, "x"),
                message(
                    Role::Assistant,
                    json!({"role": "assistant", "content": null, "tool_calls": calls}),
                ),
                message(
                    Role::Tool,
                    json!({"role": "tool", "content": "r1", "tool_call_id": "1"}),
                ),
                message(
                    Role::Tool,
                    json!({"role": "tool", "content": [{"type": "text", "text": "r2"}]}),
                ),
                Message::new(Role::Assistant, "done"),
            ],
            ..Conversation::default()
        };
        let (plain, other) = rewritten(&talk);
        assert_eq!(other, None, "there is nothing to tell");
        let made = |arguments: &str| {
            format!("<tool_call>\n{{\"name\": \"get\", \"arguments\": {arguments}}}\n</tool_call>")
        };
        let called = [made("{\"a\": \"中\"}"), made("{\"b\":1}"), made("{}")].join("\n");
        let results =
            "<tool_response>\nr1\n</tool_response>\n<tool_response>\nr2\n</tool_response>";
        assert_eq!(
            contents(&plain),
            [
                ("user", "x".to_owned()),
                ("assistant", called),
                ("user", results.to_owned()),
                ("assistant", "done".to_owned()),
            ]
        );
        assert!(plain.messages.iter().all(|message| !message.has_calls()));
    }
}
