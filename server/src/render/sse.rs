//! An answer as server-sent events.
//!
//! The first chunk holds the role and no text: clients of the original lose text that comes with
//! it. The last chunk before `[DONE]` holds the token counts, and only when asked for, because
//! clients that did not ask take `choices[0]` of every chunk. A failure after the headers is an
//! event with an `error` key, which the openai clients raise.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::response::sse::{self, KeepAlive, Sse};
use tokio_stream::Stream;

use super::{Head, lost, token_entry, usage};
use crate::api::response::{Chunk, ChunkChoice, Delta, Logprobs, Usage};
use crate::error::ApiError;
use crate::observe::GenerationLog;
use crate::scheduler::{Event, Events};

/// Silence after which a comment is sent, so that nothing between client and server gives up.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The response body of a streamed answer.
pub fn answer(
    head: Head,
    include_usage: bool,
    events: Events,
    log: GenerationLog,
) -> Sse<impl Stream<Item = Result<sse::Event, Infallible>>> {
    let chunks = Chunks {
        head,
        include_usage,
    };
    let pending = VecDeque::from([chunks.role()]);
    let stream = AnswerStream {
        chunks,
        events,
        log,
        pending,
        ended: false,
    };
    Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text(""))
}

/// Events of a job, as data of server-sent events. Dropping it cancels the job.
struct AnswerStream {
    chunks: Chunks,
    events: Events,
    log: GenerationLog,
    pending: VecDeque<String>,
    ended: bool,
}

impl Stream for AnswerStream {
    type Item = Result<sse::Event, Infallible>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(data) = this.pending.pop_front() {
                return Poll::Ready(Some(Ok(sse::Event::default().data(data))));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            let event = ready!(this.events.poll_next(context));
            this.take(event);
        }
    }
}

impl AnswerStream {
    fn take(&mut self, event: Option<Event>) {
        match event {
            Some(Event::Text { text, logprobs }) => {
                self.log.text();
                let logprobs = logprobs.map(|found| Logprobs {
                    content: vec![token_entry(found)],
                });
                if !text.is_empty() || logprobs.is_some() {
                    self.pending.push_back(self.chunks.text(&text, logprobs));
                }
            }
            Some(Event::Finished(finish)) => {
                self.log.finished(finish);
                self.pending
                    .push_back(self.chunks.finish(finish.reason.name()));
                if self.chunks.include_usage {
                    self.pending.push_back(self.chunks.usage(usage(&finish)));
                }
                self.end_with("[DONE]".into());
            }
            Some(Event::Failed(error)) => {
                self.log.failed(&error.to_string());
                self.end_with(ApiError::internal(error.to_string()).body().to_string());
            }
            None => {
                self.log.failed("the worker died");
                self.end_with(lost().body().to_string());
            }
        }
    }

    fn end_with(&mut self, data: String) {
        self.pending.push_back(data);
        self.ended = true;
    }
}

/// Makes the chunks of one answer.
struct Chunks {
    head: Head,
    include_usage: bool,
}

impl Chunks {
    fn role(&self) -> String {
        self.choice(
            Delta {
                role: Some("assistant"),
                content: Some(""),
            },
            None,
            None,
        )
    }

    fn text(&self, text: &str, logprobs: Option<Logprobs>) -> String {
        self.choice(
            Delta {
                role: None,
                content: Some(text),
            },
            logprobs,
            None,
        )
    }

    fn finish(&self, reason: &'static str) -> String {
        self.choice(Delta::default(), None, Some(reason))
    }

    fn choice(
        &self,
        delta: Delta<'_>,
        logprobs: Option<Logprobs>,
        finish_reason: Option<&'static str>,
    ) -> String {
        let choice = ChunkChoice {
            index: 0,
            delta,
            logprobs,
            finish_reason,
        };
        self.chunk(vec![choice], self.include_usage.then_some(None))
    }

    fn usage(&self, usage: Usage) -> String {
        self.chunk(Vec::new(), Some(Some(usage)))
    }

    fn chunk(&self, choices: Vec<ChunkChoice<'_>>, usage: Option<Option<Usage>>) -> String {
        let Head { id, created, model } = &self.head;
        let object = "chat.completion.chunk";
        let chunk = Chunk {
            id,
            object,
            created: *created,
            model,
            choices,
            usage,
        };
        // Plain structs of texts and numbers always serialise; an error event would be the answer
        // if they did not.
        serde_json::to_string(&chunk).unwrap_or_else(|_| lost().body().to_string())
    }
}
