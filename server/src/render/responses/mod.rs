//! Answers of the Responses API: one object, or events with the parts of it as they come.
//!
//! What an answer has come to is one `Output`, whether it is sent whole or piece by piece, so the last event of a
//! stream has what a whole answer would be.

mod events;
mod output;

use axum::Json;
use axum::response::{IntoResponse, Response as HttpResponse};

use self::output::{Change, Output};
use super::gather::Gathered;
use super::sse::COMMENT;
use super::stream::Format;
use super::unsent::Unsent;
use super::{Head, Renderer, token_entry, unix_seconds};
use crate::api::responses::echo::Echo;
use crate::api::responses::response::{
    Failure, Incomplete, InputDetails, OutputDetails, Response, Status, Usage,
};
use crate::error::ApiError;
use crate::reading::Reader;
use crate::scheduler::{Finish, FinishReason, TokenLogprobs};

/// What an answer is written with. There is one to a request.
pub struct Answer {
    head: Head,
    echo: Echo,
    reader: Reader,
    output: Output,
    /// Tokens of thoughts so far.
    reasoning_tokens: usize,
    /// Events so far.
    sent: u64,
}

impl Answer {
    /// For a request of which `echo` is repeated, and whose answer `reader` reads.
    pub fn new(head: Head, echo: Echo, reader: Reader) -> Self {
        Self {
            head,
            echo,
            reader,
            output: Output::default(),
            reasoning_tokens: 0,
            sent: 0,
        }
    }

    /// Takes a token and the text that is complete with it.
    fn push(&mut self, text: &str, logprobs: Option<TokenLogprobs>) -> Vec<Change> {
        let thought = self.reader.thinks();
        let pieces = self.reader.push(text.to_owned());
        let thought = thought || self.reader.thinks();
        self.reasoning_tokens += usize::from(thought);
        // Only text has a place for them.
        let logprobs = logprobs.filter(|_| !thought);
        self.output.add(pieces, logprobs.map(token_entry))
    }

    /// Takes the end.
    fn finish(&mut self, finish: &Finish) -> Vec<Change> {
        let pieces = self.reader.finish();
        self.output.finish(pieces, ended(finish))
    }

    fn response(&self, status: Status) -> Response<'_> {
        Response {
            id: &self.head.id,
            object: "response",
            created_at: self.head.created,
            status,
            completed_at: (status == Status::Completed).then(unix_seconds),
            background: false,
            error: None,
            incomplete_details: (status == Status::Incomplete).then_some(Incomplete {
                reason: "max_output_tokens",
            }),
            model: &self.head.model,
            output: self.output.items(),
            previous_response_id: None,
            store: false,
            truncation: "disabled",
            usage: None,
            echo: &self.echo,
        }
    }

    /// The answer that has ended.
    fn ended(&self, finish: &Finish) -> Response<'_> {
        let usage = Usage {
            input_tokens: finish.prompt_tokens,
            input_tokens_details: InputDetails {
                cached_tokens: finish.cached_tokens,
                cache_write_tokens: 0,
            },
            output_tokens: finish.completion_tokens,
            output_tokens_details: OutputDetails {
                reasoning_tokens: self.reasoning_tokens,
            },
            total_tokens: finish.prompt_tokens + finish.completion_tokens,
        };
        Response {
            usage: Some(usage),
            ..self.response(ended(finish))
        }
    }
}

fn ended(finish: &Finish) -> Status {
    match finish.reason {
        FinishReason::Stop => Status::Completed,
        FinishReason::Length => Status::Incomplete,
    }
}

impl Renderer for Answer {
    type Stream = Self;

    fn stream(self, _: usize, _: usize) -> Self {
        self
    }

    fn whole(mut self, gathered: Gathered) -> HttpResponse {
        let answer = gathered.answers.into_iter().next().unwrap_or_default();
        let (mut begin, mut logprobs) = (0, answer.logprobs.into_iter());
        for end in answer.ends {
            self.push(&answer.text[begin..end], logprobs.next());
            begin = end;
        }
        self.finish(&gathered.finish);
        Json(self.ended(&gathered.finish)).into_response()
    }
}

impl Format for Answer {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn begin(&mut self, unsent: &mut Unsent) {
        for kind in ["response.created", "response.in_progress"] {
            events::of_response(kind, self.sent, self.response(Status::InProgress), unsent);
            self.sent += 1;
        }
    }

    fn text(&mut self, _: usize, text: &str, logprobs: Option<TokenLogprobs>, unsent: &mut Unsent) {
        let changes = self.push(text, logprobs);
        self.sent = events::of_changes(&changes, self.output.items(), self.sent, unsent);
    }

    fn finished(&mut self, _: usize, finish: &Finish, unsent: &mut Unsent) {
        let changes = self.finish(finish);
        self.sent = events::of_changes(&changes, self.output.items(), self.sent, unsent);
    }

    fn end(&mut self, whole: &Finish, unsent: &mut Unsent) {
        let kind = match whole.reason {
            FinishReason::Stop => "response.completed",
            FinishReason::Length => "response.incomplete",
        };
        events::of_response(kind, self.sent, self.ended(whole), unsent);
    }

    fn failed(&mut self, error: &ApiError, unsent: &mut Unsent) {
        let failed = Response {
            error: Some(Failure {
                code: "server_error",
                message: error.message().to_owned(),
            }),
            ..self.response(Status::Failed)
        };
        events::of_response("response.failed", self.sent, failed, unsent);
    }

    fn silence(&self, unsent: &mut Unsent) {
        unsent.text(COMMENT);
    }
}
