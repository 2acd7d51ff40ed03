//! Answers piece by piece.
//!
//! What a [`Format`] has to say before anything is computed leaves with the headers. The engine often has all
//! CPUs, so every microsecond here is one that a token comes later. There is one piece per [`Event`], but what
//! has come together leaves at once, with one write, and a token neither sets a timer nor copies its piece.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, Sleep, sleep};
use tokio_stream::Stream;

use super::no_answer::NoAnswer;
use super::unsent::Unsent;
use crate::error::ApiError;
use crate::observe::GenerationLog;
use crate::scheduler::{Choices, Event, Finish, TokenLogprobs};

/// Silence after which something is sent that says nothing, so that nothing between client and server gives
/// up.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How an API writes a stream.
pub trait Format: Send + Unpin + 'static {
    /// The header `Content-Type`.
    const CONTENT_TYPE: &'static str;

    /// What comes first.
    fn begin(&mut self, unsent: &mut Unsent);

    /// A token of answer `number`, and the text that is complete with it.
    fn text(
        &mut self,
        number: usize,
        text: &str,
        logprobs: Option<TokenLogprobs>,
        unsent: &mut Unsent,
    );

    /// Answer `number` is over.
    fn finished(&mut self, number: usize, finish: &Finish, unsent: &mut Unsent);

    /// All answers are over; what they cost together.
    fn end(&mut self, whole: &Finish, unsent: &mut Unsent);

    /// There will be no end.
    fn failed(&mut self, error: &ApiError, unsent: &mut Unsent);

    /// Says nothing, in so many bytes.
    fn silence(&self, unsent: &mut Unsent);
}

/// The response that streams all answers, so many to each prompt.
pub fn answer(
    mut format: impl Format,
    choices: Choices,
    per_prompt: usize,
    log: GenerationLog,
) -> Response {
    let mut unsent = Unsent::default();
    format.begin(&mut unsent);
    let headers = [
        (header::CONTENT_TYPE, content_type(&format)),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    let stream = AnswerStream {
        format,
        finishes: vec![None; choices.count()],
        choices,
        per_prompt,
        log,
        unsent,
        ended: false,
        silence: Silence::new(),
    };
    (headers, Body::from_stream(stream)).into_response()
}

fn content_type<F: Format>(_: &F) -> &'static str {
    F::CONTENT_TYPE
}

/// Events of a request as bytes of the body. Dropping it cancels the jobs.
struct AnswerStream<F> {
    format: F,
    choices: Choices,
    finishes: Vec<Option<Finish>>,
    per_prompt: usize,
    log: GenerationLog,
    unsent: Unsent,
    ended: bool,
    silence: Silence,
}

impl<F: Format> Stream for AnswerStream<F> {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while !this.ended {
            match this.choices.poll_next(context) {
                Poll::Ready(Some((number, event))) => this.take(number, event),
                Poll::Ready(None) => this.end(),
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
        this.format.silence(&mut this.unsent);
        Poll::Ready(this.unsent.take().map(Ok))
    }
}

impl<F: Format> AnswerStream<F> {
    fn take(&mut self, number: usize, event: Option<Event>) {
        match event {
            Some(Event::Text { text, logprobs }) => {
                self.log.text();
                self.format.text(number, &text, logprobs, &mut self.unsent);
            }
            Some(Event::Finished(finish)) => {
                self.finishes[number] = Some(finish);
                self.format.finished(number, &finish, &mut self.unsent);
            }
            event => self.fail(NoAnswer::of(event)),
        }
    }

    fn end(&mut self) {
        let finishes: Vec<Finish> = self.finishes.iter().flatten().copied().collect();
        match Finish::together(&finishes, self.per_prompt) {
            Some(whole) => {
                self.log.finished(whole);
                self.format.end(&whole, &mut self.unsent);
                self.ended = true;
            }
            None => self.fail(NoAnswer::of(None)),
        }
    }

    fn fail(&mut self, why: NoAnswer) {
        let error = why.logged(&mut self.log);
        self.format.failed(&error, &mut self.unsent);
        self.ended = true;
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
