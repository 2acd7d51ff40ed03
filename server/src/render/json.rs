//! Whole answers of a chat as one object.

use axum::Json;
use axum::response::{IntoResponse, Response};

use super::gather::{Gathered, Whole};
use super::{Head, token_entry, usage};
use crate::api::response::{AnswerMessage, ChatCompletion, Choice, Logprobs};

/// The object; `with_logprobs` of tokens that were asked for.
pub fn answer(head: &Head, with_logprobs: bool, gathered: Gathered) -> Response {
    let choices = gathered.answers.into_iter().enumerate();
    let choices = choices.map(|(index, answer)| choice(index, with_logprobs, answer));
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

fn choice(index: usize, with_logprobs: bool, answer: Whole) -> Choice {
    let finish_reason = answer.reason();
    // An answer that ends with its first token has a list of none.
    let logprobs = with_logprobs.then(|| Logprobs {
        content: answer.logprobs.into_iter().map(token_entry).collect(),
    });
    Choice {
        index,
        message: AnswerMessage {
            role: "assistant",
            content: answer.text,
        },
        logprobs,
        finish_reason,
    }
}
