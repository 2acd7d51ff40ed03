//! An answer as server-sent events.
//!
//! The first chunk holds the role and no text: clients of the original lose text that comes with
//! it. The last chunk before `[DONE]` holds the token counts, and only when asked for, because
//! clients that did not ask take `choices[0]` of every chunk. A failure after the headers is an
//! event with an `error` key, which the openai clients raise.
//!
//! The engine often has all CPUs, so every microsecond here is one that a token comes later. There
//! is one server-sent event per [`Piece`] of an [`Event`], but what has come together leaves in one piece, with one
//! write, and a token neither sets a timer nor copies its chunk.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::{Instant, Sleep, sleep};
use tokio_stream::Stream;

use super::{Head, cut_off, lost, token_entry, usage};
use crate::api::response::{
    Chunk, ChunkChoice, Delta, FunctionDelta, Logprobs, ToolCallDelta, Usage,
};
use crate::error::ApiError;
use crate::observe::GenerationLog;
use crate::reading::{Piece, Reader};
use crate::scheduler::{Event, Events};

/// Silence after which a comment is sent, so that nothing between client and server gives up.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The comment, which clients skip.
const COMMENT: &[u8] = b": \n\n";

/// Room for a chunk of one token; longer ones grow.
const CHUNK_BYTES: usize = 512;

/// The streamed response of an answer.
pub fn answer(
    head: Head,
    include_usage: bool,
    events: Events,
    reader: Reader,
    log: GenerationLog,
) -> Response {
    let chunks = Chunks {
        head,
        include_usage,
    };
    let mut unsent = Unsent::default();
    unsent.push(&chunks.role());
    let stream = AnswerStream {
        chunks,
        events,
        reader,
        log,
        unsent,
        ended: false,
        silence: Silence::new(),
    };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, Body::from_stream(stream)).into_response()
}

/// Events of a job as bytes of the body. Dropping it cancels the job.
struct AnswerStream {
    chunks: Chunks,
    events: Events,
    reader: Reader,
    log: GenerationLog,
    unsent: Unsent,
    ended: bool,
    silence: Silence,
}

impl Stream for AnswerStream {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while !this.ended {
            match this.events.poll_next(context) {
                Poll::Ready(event) => this.take(event),
                Poll::Pending => break,
            }
        }
        if let Some(bytes) = this.unsent.take() {
            this.silence.broken();
            return Poll::Ready(Some(Ok(bytes)));
        }
        if this.ended {
            return Poll::Ready(None);
        }
        ready!(this.silence.poll(context));
        Poll::Ready(Some(Ok(Bytes::from_static(COMMENT))))
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
                let pieces = self.reader.push(text);
                self.send(pieces, logprobs);
            }
            Some(Event::Finished(finish)) => {
                self.log.finished(finish);
                let pieces = self.reader.finish();
                self.send(pieces, None);
                let reason = self.reader.finish_reason(finish.reason);
                self.unsent.push(&self.chunks.finish(reason));
                if self.chunks.include_usage {
                    self.unsent.push(&self.chunks.usage(usage(&finish)));
                }
                self.unsent.push_text("[DONE]");
                self.ended = true;
            }
            Some(Event::Failed(error)) => {
                self.log.failed(&error.to_string());
                self.fail(&ApiError::internal(error.to_string()));
            }
            Some(Event::NotFinite(error)) => {
                self.log.failed(&error.to_string());
                self.fail(&ApiError::not_finite(error.to_string()));
            }
            Some(Event::CutOff) => self.fail(&cut_off()),
            None => {
                self.log.failed("the worker died");
                self.fail(&lost());
            }
        }
    }

    /// A chunk for each piece, the first of them with the logprobs of the token that led to it.
    fn send(&mut self, pieces: Vec<Piece>, mut logprobs: Option<Logprobs>) {
        let deltas = pieces.iter().filter_map(delta);
        for delta in deltas {
            let chunk = self.chunks.choice(delta, logprobs.take(), None);
            self.unsent.push(&chunk);
        }
        if logprobs.is_some() {
            let nothing = Delta {
                content: Some(""),
                ..Delta::default()
            };
            self.unsent
                .push(&self.chunks.choice(nothing, logprobs, None));
        }
    }

    fn fail(&mut self, error: &ApiError) {
        self.unsent.push_text(&error.body().to_string());
        self.ended = true;
    }
}

/// What a piece adds to a stream. Of a call that broke, the pieces have left already; the finish reason then is
/// none of calls.
fn delta(piece: &Piece) -> Option<Delta<'_>> {
    let nothing = Delta::default();
    let part = |index: usize, id, name, arguments| ToolCallDelta {
        index,
        id,
        kind: id.and(Some("function")),
        function: FunctionDelta { name, arguments },
    };
    Some(match piece {
        Piece::Thought(text) => Delta {
            reasoning_content: Some(text),
            ..nothing
        },
        Piece::Text(text) => Delta {
            content: Some(text),
            ..nothing
        },
        Piece::Call { index, id, name } => Delta {
            tool_calls: Some([part(*index, Some(id), Some(name), "")]),
            ..nothing
        },
        Piece::Arguments { index, text } => Delta {
            tool_calls: Some([part(*index, None, None, text)]),
            ..nothing
        },
        Piece::Broken(_) => return None,
    })
}

/// Server-sent events that have not left yet.
#[derive(Default)]
struct Unsent(Vec<u8>);

impl Unsent {
    /// Adds `chunk` as an event. JSON escapes line ends, so it is one line.
    fn push(&mut self, chunk: &impl Serialize) {
        let before = self.0.len();
        self.0.reserve(CHUNK_BYTES);
        self.0.extend_from_slice(b"data: ");
        if serde_json::to_writer(&mut self.0, chunk).is_ok() {
            self.0.extend_from_slice(b"\n\n");
        } else {
            // Plain structs of texts and numbers always serialise; an error event would be the
            // answer if they did not.
            self.0.truncate(before);
            self.push_text(&lost().body().to_string());
        }
    }

    /// Adds an event whose data is one line of text.
    fn push_text(&mut self, data: &str) {
        for part in ["data: ", data, "\n\n"] {
            self.0.extend_from_slice(part.as_bytes());
        }
    }

    fn take(&mut self) -> Option<Bytes> {
        (!self.0.is_empty()).then(|| std::mem::take(&mut self.0).into())
    }
}

/// How long nothing was sent. What is sent only leaves a mark here; the timer looks at it when it
/// fires, and is then set to what is left.
struct Silence {
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Silence {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            timer: Box::pin(sleep(KEEP_ALIVE)),
        }
    }

    /// Something was sent.
    fn broken(&mut self) {
        self.since = Instant::now();
    }

    /// Ready whenever there was nothing for [`KEEP_ALIVE`].
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(context));
            let silent = self.since.elapsed() >= KEEP_ALIVE;
            if silent {
                self.broken();
            }
            self.timer.as_mut().reset(self.since + KEEP_ALIVE);
            if silent {
                return Poll::Ready(());
            }
        }
    }
}

/// Makes the chunks of one answer.
struct Chunks {
    head: Head,
    include_usage: bool,
}

impl Chunks {
    fn role(&self) -> Chunk<'_> {
        let delta = Delta {
            role: Some("assistant"),
            content: Some(""),
            ..Delta::default()
        };
        self.choice(delta, None, None)
    }

    fn finish(&self, reason: &'static str) -> Chunk<'_> {
        self.choice(Delta::default(), None, Some(reason))
    }

    fn choice<'a>(
        &'a self,
        delta: Delta<'a>,
        logprobs: Option<Logprobs>,
        finish_reason: Option<&'static str>,
    ) -> Chunk<'a> {
        let choice = ChunkChoice {
            index: 0,
            delta,
            logprobs,
            finish_reason,
        };
        self.chunk(vec![choice], self.include_usage.then_some(None))
    }

    fn usage(&self, usage: Usage) -> Chunk<'_> {
        self.chunk(Vec::new(), Some(Some(usage)))
    }

    fn chunk<'a>(
        &'a self,
        choices: Vec<ChunkChoice<'a>>,
        usage: Option<Option<Usage>>,
    ) -> Chunk<'a> {
        Chunk {
            id: &self.head.id,
            object: "chat.completion.chunk",
            created: self.head.created,
            model: &self.head.model,
            choices,
            usage,
        }
    }
}
