//! A whole answer as one object.

use axum::Json;
use axum::response::{IntoResponse, Response};

use super::{Head, cut_off, lost, token_entry, usage};
use crate::api::response::{
    AnswerMessage, ChatCompletion, Choice, FunctionCall, Logprobs, ToolCall,
};
use crate::error::ApiError;
use crate::observe::GenerationLog;
use crate::reading::{Piece, Reader};
use crate::scheduler::{Event, Events, Finish};

/// Collects the events of a job. Dropping the future cancels the job.
///
/// # Errors
/// 500 when the engine fails, 503 when the server stops first.
pub async fn answer(
    head: &Head,
    mut events: Events,
    mut reader: Reader,
    mut log: GenerationLog,
) -> Result<Response, ApiError> {
    let mut message = Message::default();
    let mut logprobs: Option<Logprobs> = None;
    let finish = loop {
        match events.next().await {
            Some(Event::Text {
                text,
                logprobs: found,
            }) => {
                log.text();
                message.add(reader.push(text));
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
    message.add(reader.finish());
    let reason = reader.finish_reason(finish.reason);
    Ok(render(head, &message, logprobs, (&finish, reason)))
}

/// A message that comes piece by piece.
#[derive(Default)]
struct Message {
    thoughts: String,
    content: String,
    calls: Vec<ToolCall>,
}

impl Message {
    fn add(&mut self, pieces: Vec<Piece>) {
        for piece in pieces {
            match piece {
                Piece::Thought(text) => self.thoughts.push_str(&text),
                Piece::Text(text) => self.content.push_str(&text),
                Piece::Call { id, name, .. } => self.calls.push(ToolCall {
                    id,
                    kind: "function",
                    function: FunctionCall {
                        name,
                        arguments: String::new(),
                    },
                }),
                Piece::Arguments { text, .. } => {
                    if let Some(call) = self.calls.last_mut() {
                        call.function.arguments.push_str(&text);
                    }
                }
                Piece::Broken(text) => {
                    self.calls.pop();
                    self.content.push_str(&text);
                }
            }
        }
    }
}

fn render(
    head: &Head,
    message: &Message,
    logprobs: Option<Logprobs>,
    (finish, finish_reason): (&Finish, &'static str),
) -> Response {
    let some = |text: &'_ str| !text.is_empty();
    let content = Some(message.content.as_str());
    let thoughts = Some(message.thoughts.as_str());
    let message = AnswerMessage {
        role: "assistant",
        content: content.filter(|text| some(text) || message.calls.is_empty()),
        reasoning_content: thoughts.filter(|text| some(text)),
        tool_calls: &message.calls,
    };
    let choice = Choice {
        index: 0,
        message,
        logprobs,
        finish_reason,
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
