//! A whole answer as one object.

use axum::Json;
use axum::response::{IntoResponse, Response};

use super::{Head, cut_off, lost, token_entry, usage};
use crate::api::response::{AnswerMessage, ChatCompletion, Choice, Logprobs};
use crate::error::ApiError;
use crate::observe::GenerationLog;
use crate::scheduler::{Event, Events, Finish};

/// Collects the events of a job. Dropping the future cancels the job.
///
/// # Errors
/// 500 when the engine fails, 503 when the server stops first.
pub async fn answer(
    head: &Head,
    mut events: Events,
    mut log: GenerationLog,
) -> Result<Response, ApiError> {
    let mut content = String::new();
    let mut logprobs: Option<Logprobs> = None;
    let finish = loop {
        match events.next().await {
            Some(Event::Text {
                text,
                logprobs: found,
            }) => {
                log.text();
                content.push_str(&text);
                if let Some(found) = found {
                    logprobs
                        .get_or_insert_default()
                        .content
                        .push(token_entry(found));
                }
            }
            Some(Event::Finished(finish)) => break finish,
            Some(Event::Failed(error)) => {
                log.failed(&error.to_string());
                return Err(ApiError::internal(error.to_string()));
            }
            Some(Event::NotFinite(error)) => {
                log.failed(&error.to_string());
                return Err(ApiError::not_finite(error.to_string()));
            }
            Some(Event::CutOff) => return Err(cut_off()),
            None => {
                log.failed("the worker died");
                return Err(lost());
            }
        }
    };
    log.finished(finish);
    Ok(render(head, &content, logprobs, &finish))
}

fn render(head: &Head, content: &str, logprobs: Option<Logprobs>, finish: &Finish) -> Response {
    let message = AnswerMessage {
        role: "assistant",
        content,
    };
    let choice = Choice {
        index: 0,
        message,
        logprobs,
        finish_reason: finish.reason.name(),
    };
    Json(ChatCompletion {
        id: &head.id,
        object: "chat.completion",
        created: head.created,
        model: &head.model,
        choices: [choice],
        usage: usage(finish),
    })
    .into_response()
}
