//! Where a prompt ends that goes on with its last message (`continue_final_message` of transformers).

use serde_json::Value;

use super::{Conversation, Ending, PromptError, Role};

/// How many bytes of a rendered conversation are the prompt.
///
/// # Errors
/// [`PromptError::NothingToContinue`].
pub(super) fn end(conversation: &Conversation, rendered: &str) -> Result<usize, PromptError> {
    let Some(text) = open(conversation)? else {
        return Ok(rendered.len());
    };
    let trimmed = text.trim();
    let at = (rendered.rfind(trimmed)).filter(|_| !trimmed.is_empty());
    let at = at.ok_or(PromptError::NothingToContinue)?;
    // Templates keep the white space at the end of a message, or trim it.
    let kept = text.trim_start();
    Ok(at
        + match rendered[at..].starts_with(kept) {
            true => kept.len(),
            false => trimmed.len(),
        })
}

/// The text of the last message, if the prompt goes on with it.
///
/// # Errors
/// [`PromptError::NothingToContinue`].
pub(super) fn open(conversation: &Conversation) -> Result<Option<&str>, PromptError> {
    if conversation.ending != Ending::InLastMessage {
        return Ok(None);
    }
    let last = conversation.messages.last();
    let last = last.filter(|last| last.role == Role::Assistant && !last.has_calls());
    let text = last.and_then(|last| text(last.fields.get("content")?));
    text.map(Some).ok_or(PromptError::NothingToContinue)
}

/// The text that a content ends with.
fn text(content: &Value) -> Option<&str> {
    match content {
        Value::String(text) => Some(text),
        Value::Array(parts) => parts.iter().rev().find_map(|part| part["text"].as_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::prompt::Message;

    fn conversation(role: Role, content: Value) -> Conversation {
        let fields = Map::from_iter([("content".to_owned(), content)]);
        Conversation {
            messages: vec![
                Message::new(Role::User, "Say yes"),
                Message::of_fields(role, fields),
            ],
            ending: Ending::InLastMessage,
            ..Conversation::default()
        }
    }

    fn prompt(content: Value, rendered: &str) -> Option<&str> {
        let conversation = conversation(Role::Assistant, content);
        let end = end(&conversation, rendered).ok();
        end.map(|end| &rendered[..end])
    }

    #[test]
    fn the_last_message_is_left_open() {
        let cases = [
            (
                json!("yes"),
                "<u>Say yes<a>yes</a>",
                Some("<u>Say yes<a>yes"),
            ),
            (
                json!("yes "),
                "<u>Say yes<a>yes </a>",
                Some("<u>Say yes<a>yes "),
            ),
            // A template that trims, ...
            (
                json!(" yes\n "),
                "<u>Say yes<a>yes</a>",
                Some("<u>Say yes<a>yes"),
            ),
            // ... and one that leaves the message out.
            (json!("no"), "<u>Say yes<a></a>", None),
            (json!(""), "<u>Say yes<a></a>", None),
            (json!(null), "<u>Say yes<a></a>", None),
            (
                json!([{"type": "text", "text": "a"}, {"type": "text", "text": "yes"}]),
                "<a>ayes</a>",
                Some("<a>ayes"),
            ),
        ];
        for (content, rendered, wanted) in cases {
            assert_eq!(prompt(content.clone(), rendered), wanted, "{content}");
        }
    }

    #[test]
    fn nobody_else_s_message_is_gone_on_with() {
        let user = conversation(Role::User, json!("yes"));
        assert_eq!(end(&user, "yes"), Err(PromptError::NothingToContinue));
        let mut answered = user;
        answered.ending = Ending::AfterLastMessage;
        assert_eq!(end(&answered, "yes"), Ok(3));
    }
}
