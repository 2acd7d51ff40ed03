//! Whole answers of a chat as one object.

use axum::Json;
use axum::response::{IntoResponse, Response};

use super::gather::{Gathered, Whole};
use super::message::Message;
use super::{Head, token_entry, usage};
use crate::api::response::{AnswerMessage, ChatCompletion, Choice, Logprobs};
use crate::reading::{Reader, Reading};

/// The object; `with_logprobs` of tokens that were asked for.
pub(super) fn answer(
    head: &Head,
    with_logprobs: bool,
    reading: &Reading,
    gathered: Gathered,
) -> Response {
    let choices = gathered.answers.into_iter().enumerate();
    let choices =
        choices.map(|(index, answer)| choice(index, with_logprobs, reading.reader(), answer));
    Json(ChatCompletion {
        id: &head.id,
        object: "chat.completion",
        created: head.created,
        model: &head.model,
        usage: usage(&gathered.finish),
        choices: choices.collect(),
    })
    .into_response()
}

fn choice(index: usize, with_logprobs: bool, mut reader: Reader, answer: Whole) -> Choice {
    let mut message = Message::default();
    message.add(reader.push(answer.text));
    message.add(reader.finish());
    let Message {
        thoughts,
        content,
        calls,
    } = message;
    let reason = answer.finish.map(|finish| finish.reason);
    // An answer that ends with its first token has a list of none.
    let logprobs = with_logprobs.then(|| Logprobs {
        content: answer.logprobs.into_iter().map(token_entry).collect(),
    });
    Choice {
        index,
        message: AnswerMessage {
            role: "assistant",
            content: (!content.is_empty() || calls.is_empty()).then_some(content),
            reasoning_content: (!thoughts.is_empty()).then_some(thoughts),
            tool_calls: calls,
        },
        logprobs,
        finish_reason: reason.map_or("stop", |reason| reader.finish_reason(reason)),
    }
}
