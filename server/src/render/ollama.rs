//! Answers in Ollama's forms: one object, or a line for each piece.

use std::time::{Duration, Instant};

use axum::Json;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::json;

use super::gather::Gathered;
use super::stream::Format;
use super::token_entry;
use super::unsent::Unsent;
use crate::api::ollama::response::{Answer, Cost, End, Message, Said};
use crate::api::response::TokenEntry;
use crate::error::ApiError;
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
}

impl Lines {
    /// For a request that arrived at `began`.
    pub fn new(kind: Kind, model: &str, began: Instant) -> Self {
        Self {
            kind,
            model: model.to_owned(),
            began,
        }
    }

    /// The object of a whole answer.
    pub fn whole(&self, with_logprobs: bool, gathered: Gathered) -> Response {
        let end = self.end_of(&gathered.finish);
        let answer = gathered.answers.into_iter().next().unwrap_or_default();
        let logprobs = answer.logprobs.into_iter().map(token_entry);
        let logprobs = with_logprobs.then(|| logprobs.collect());
        Json(self.piece(&answer.text, logprobs, Some(end))).into_response()
    }

    /// The object that says that the model is loaded.
    pub fn loaded(&self) -> Response {
        let end = End {
            done_reason: "load",
            cost: None,
        };
        Json(self.piece("", None, Some(end))).into_response()
    }

    fn piece<'a>(
        &'a self,
        text: &'a str,
        logprobs: Option<Vec<TokenEntry>>,
        end: Option<End>,
    ) -> Answer<'a> {
        let said = match self.kind {
            Kind::Generate => Said::Response(text),
            Kind::Chat => Said::Message(Message {
                role: "assistant",
                content: text,
            }),
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

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Format for Lines {
    const CONTENT_TYPE: &'static str = "application/x-ndjson";

    fn begin(&mut self, _: &mut Unsent) {}

    fn text(&mut self, _: usize, text: &str, logprobs: Option<TokenLogprobs>, unsent: &mut Unsent) {
        if !text.is_empty() || logprobs.is_some() {
            let logprobs = logprobs.map(|found| vec![token_entry(found)]);
            unsent.line(&self.piece(text, logprobs, None));
        }
    }

    fn finished(&mut self, _: usize, _: &Finish, _: &mut Unsent) {}

    fn end(&mut self, whole: &Finish, unsent: &mut Unsent) {
        unsent.line(&self.piece("", None, Some(self.end_of(whole))));
    }

    fn failed(&mut self, error: &ApiError, unsent: &mut Unsent) {
        unsent.line(&json!({"error": error.message()}));
    }

    /// A line that clients read, with nothing in it: there are no comments.
    fn silence(&self, unsent: &mut Unsent) {
        unsent.line(&self.piece("", None, None));
    }
}
