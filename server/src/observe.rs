//! Request ids, and one log line per request.
//!
//! `x-request-id` is taken over from the client if it is sane, made otherwise, and sent back. A
//! generation logs its own line when it ends ([`GenerationLog`]), long after its response began;
//! everything else is logged here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

use crate::error::Refused;
use crate::scheduler::{Embedded, Finish};
use crate::state::{ServerState, Status};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_ID_BYTES: usize = 128;

/// The id of a request, for handlers.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Marks a response whose line is written by a [`GenerationLog`].
#[derive(Clone, Copy, Debug)]
pub struct LoggedElsewhere;

/// Gives the request an id, runs it, logs it.
pub async fn observe(mut request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(REQUEST_ID)
        .filter(|id| id.len() <= LONGEST_ID_BYTES);
    let given = given
        .and_then(|id| id.to_str().ok())
        .filter(|id| !id.is_empty());
    let id = given.map_or_else(|| Uuid::new_v4().simple().to_string(), str::to_string);
    request.extensions_mut().insert(RequestId(id.clone()));
    let (method, path) = (request.method().clone(), request.uri().path().to_string());
    let began = Instant::now();
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if response.extensions().get::<LoggedElsewhere>().is_none() {
        let status = response.status();
        let refused = response.extensions().get::<Refused>();
        let reason = refused.map_or("", |Refused(error)| error.message());
        log(
            &format!("{method} {path}"),
            &id,
            status,
            began.elapsed(),
            reason,
        );
    }
    response
}

/// Probes come every few seconds, so successes other than answers are for debugging only. Busy and
/// loading (429, 503) are no faults; a 500 is ours.
fn log(what: &str, id: &str, status: StatusCode, took: Duration, reason: &str) {
    let (status, milliseconds) = (status.as_u16(), took.as_millis() as u64);
    if status == 500 {
        tracing::error!(id, status, milliseconds, reason, "{what}");
    } else if status >= 400 && what != "GET /health" {
        tracing::info!(id, status, milliseconds, reason, "{what}");
    } else {
        tracing::debug!(id, status, milliseconds, "{what}");
    }
}

/// Writes the line of one generation, or request for embeddings, when dropped: finished, failed, left by its client, or cut off.
pub struct GenerationLog {
    id: String,
    prompt_tokens: usize,
    began: Instant,
    first_text: Option<Duration>,
    outcome: Outcome,
    state: Arc<ServerState>,
}

#[derive(Debug)]
enum Outcome {
    /// By its client, or by a server that stops.
    Unfinished,
    Finished(Finish),
    Embedded {
        inputs: usize,
    },
    Failed(String),
}

impl GenerationLog {
    /// A generation that began with the request's arrival.
    pub fn new(
        id: RequestId,
        prompt_tokens: usize,
        began: Instant,
        state: Arc<ServerState>,
    ) -> Self {
        Self {
            id: id.0,
            prompt_tokens,
            began,
            first_text: None,
            outcome: Outcome::Unfinished,
            state,
        }
    }

    /// Text has come; only the first time counts.
    pub fn text(&mut self) {
        self.first_text.get_or_insert_with(|| self.began.elapsed());
    }

    /// The answer is complete.
    pub fn finished(&mut self, finish: Finish) {
        self.outcome = Outcome::Finished(finish);
    }

    /// All inputs have been read.
    pub fn embedded(&mut self, embedded: &Embedded) {
        let inputs = embedded.means.len();
        self.outcome = Outcome::Embedded { inputs };
    }

    /// The engine failed.
    pub fn failed(&mut self, reason: &str) {
        self.outcome = Outcome::Failed(reason.to_string());
    }
}

impl Drop for GenerationLog {
    fn drop(&mut self) {
        let (id, prompt_tokens) = (self.id.as_str(), self.prompt_tokens);
        let first_token_ms = self.first_text.map(|time| time.as_millis() as u64);
        let total_ms = self.began.elapsed().as_millis() as u64;
        match &self.outcome {
            Outcome::Finished(finish) => {
                let rate = finish
                    .decode_tokens_per_second()
                    .map(|rate| (rate * 100.0).round() / 100.0);
                tracing::info!(
                    id,
                    status = 200,
                    prompt_tokens,
                    cached_tokens = finish.cached_tokens,
                    completion_tokens = finish.completion_tokens,
                    drafted_tokens = finish.drafts.drafted,
                    accepted_tokens = finish.drafts.accepted,
                    finish = finish.reason.name(),
                    first_token_ms,
                    total_ms,
                    tokens_per_second = rate,
                    "answered"
                );
            }
            Outcome::Embedded { inputs } => {
                tracing::info!(
                    id,
                    status = 200,
                    inputs,
                    prompt_tokens,
                    total_ms,
                    "embedded"
                );
            }
            Outcome::Unfinished if self.state.status() == Status::CutOff => {
                tracing::warn!(
                    id,
                    status = 503,
                    prompt_tokens,
                    first_token_ms,
                    total_ms,
                    "cut off: the server is stopping"
                );
            }
            Outcome::Unfinished => {
                tracing::info!(
                    id,
                    status = 499,
                    prompt_tokens,
                    first_token_ms,
                    total_ms,
                    "the client left"
                );
            }
            Outcome::Failed(reason) => {
                tracing::error!(id, status = 500, prompt_tokens, total_ms, reason, "failed");
            }
        }
    }
}
