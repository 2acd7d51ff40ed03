//! Answers in Ollama's forms: one object, or a line for each piece.

use std::time::Instant;

use axum::Json;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::json;

use super::gather::Gathered;
use super::message::Message;
use super::stream::Format;
use super::unsent::Unsent;
use super::{Renderer, nanoseconds, token_entry};
use crate::api::ollama::response::{self, Answer, Call, Called, Cost, End, Said};
use crate::api::response::{TokenEntry, ToolCall};
use crate::error::ApiError;
use crate::reading::Reader;
use crate::scheduler::{Finish, TokenLogprobs};

/// Which endpoint is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `/api/chat`.
    Chat,
    /// `/api/generate`.
    Generate,
}

/// Makes the pieces of an answer. There is one answer to a request.
pub struct Lines {
    kind: Kind,
    model: String,
    began: Instant,
    reader: Reader,
    with_logprobs: bool,
    /// What has come and not left. Calls leave together, when the answer is over: then they are whole.
    message: Message,
}

impl Lines {
    /// For a request that arrived at `began`, whose answer `reader` reads.
    pub fn new(kind: Kind, model: &str, began: Instant, reader: Reader) -> Self {
        Self {
            kind,
            model: model.to_owned(),
            began,
            reader,
            with_logprobs: false,
            message: Message::default(),
        }
    }

    /// The same, with the logprobs of its tokens if these are asked for.
    pub fn with_logprobs(self, asked: bool) -> Self {
        Self {
            with_logprobs: asked,
            ..self
        }
    }

    /// The object that says that the model is loaded.
    pub fn loaded(&self) -> Response {
        let end = End {
            done_reason: "load",
            cost: None,
        };
        Json(self.piece(&Message::default(), None, Some(end))).into_response()
    }

    fn piece<'a>(
        &'a self,
        message: &'a Message,
        logprobs: Option<Vec<TokenEntry>>,
        end: Option<End>,
    ) -> Answer<'a> {
        let (content, thinking) = (message.content.as_str(), message.thoughts.as_str());
        let said = match self.kind {
            Kind::Generate => Said::Generate {
                response: content,
                thinking,
            },
            Kind::Chat => Said::Chat {
                message: response::Message {
                    role: "assistant",
                    content,
                    thinking,
                    tool_calls: message.calls.iter().map(call).collect(),
                },
            },
        };
        Answer {
            model: &self.model,
            created_at: Timestamp::now().to_string(),
            said,
            logprobs,
            done: end.is_some(),
            end,
        }
    }

    /// A line of what has come, if there is anything to say.
    fn send(&mut self, logprobs: Option<Vec<TokenEntry>>, with_calls: bool, unsent: &mut Unsent) {
        let calls = match with_calls {
            true => std::mem::take(&mut self.message.calls),
            false => Vec::new(),
        };
        let message = Message {
            thoughts: std::mem::take(&mut self.message.thoughts),
            content: std::mem::take(&mut self.message.content),
            calls,
        };
        let says = !(message.thoughts.is_empty() && message.content.is_empty());
        if says || !message.calls.is_empty() || logprobs.is_some() {
            unsent.line(&self.piece(&message, logprobs, None));
        }
    }

    fn end_of(&self, finish: &Finish) -> End {
        End {
            done_reason: finish.reason.name(),
            cost: Some(Cost {
                total_duration: nanoseconds(self.began.elapsed()),
                load_duration: 0,
                prompt_eval_count: finish.prompt_tokens,
                prompt_eval_duration: nanoseconds(finish.prefill_time),
                eval_count: finish.completion_tokens,
                eval_duration: nanoseconds(finish.decode_time),
            }),
        }
    }
}

/// A call, whose arguments are an object here; where they are none, the text of them.
fn call(call: &ToolCall) -> Call {
    let text = call.function.arguments.as_str();
    let arguments = serde_json::from_str(text);
    Call {
        id: call.id.clone(),
        function: Called {
            name: call.function.name.clone(),
            arguments: arguments.unwrap_or_else(|_| text.into()),
        },
    }
}

impl Renderer for Lines {
    type Stream = Self;

    fn stream(self, _: usize, _: usize) -> Self {
        self
    }

    fn whole(mut self, gathered: Gathered) -> Response {
        let end = self.end_of(&gathered.finish);
        let answer = gathered.answers.into_iter().next().unwrap_or_default();
        let logprobs = answer.logprobs.into_iter().map(token_entry);
        let logprobs = self.with_logprobs.then(|| logprobs.collect());
        self.message.add(self.reader.push(answer.text));
        self.message.add(self.reader.finish());
        let message = std::mem::take(&mut self.message);
        Json(self.piece(&message, logprobs, Some(end))).into_response()
    }
}

impl Format for Lines {
    const CONTENT_TYPE: &'static str = "application/x-ndjson";

    fn begin(&mut self, _: &mut Unsent) {}

    fn text(&mut self, _: usize, text: &str, logprobs: Option<TokenLogprobs>, unsent: &mut Unsent) {
        self.message.add(self.reader.push(text.to_owned()));
        let logprobs = logprobs.map(|found| vec![token_entry(found)]);
        self.send(logprobs, false, unsent);
    }

    fn finished(&mut self, _: usize, _: &Finish, unsent: &mut Unsent) {
        self.message.add(self.reader.finish());
        self.send(None, true, unsent);
    }

    fn end(&mut self, whole: &Finish, unsent: &mut Unsent) {
        let nothing = Message::default();
        unsent.line(&self.piece(&nothing, None, Some(self.end_of(whole))));
    }

    fn failed(&mut self, error: &ApiError, unsent: &mut Unsent) {
        unsent.line(&json!({"error": error.message()}));
    }

    /// A line that clients read, with nothing in it: there are no comments.
    fn silence(&self, unsent: &mut Unsent) {
        unsent.line(&self.piece(&Message::default(), None, None));
    }
}
