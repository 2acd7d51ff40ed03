//! [`Line`]: one line of the access log.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::facts::Facts;

/// A request that is over, as one line of JSON. What does not apply to it is left out.
#[derive(Debug, Serialize)]
pub(super) struct Line<'f> {
    /// Of its end, UTC.
    time: String,
    id: &'f str,
    client: Option<&'f str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarded_for: Option<&'f str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'f str>,
    method: &'f str,
    path: &'f str,
    /// As sent; 499 where the client left before the end, 503 where an answer was cut off, 500 where it failed,
    /// also after a stream had begun with 200.
    status: u16,
    /// From the head of the request to the end of the answer.
    total_ms: f64,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'f str,
    #[serde(flatten)]
    generation: Option<Generation>,
}

/// What a generation, or a request for embeddings, adds.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Generation {
    pub(super) prompt_tokens: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cached_tokens: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) completion_tokens: Option<usize>,
    /// Until the engine took it; the longest, of several answers. `None`: it never did.
    pub(super) queue_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_token_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tokens_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) finish: Option<&'static str>,
}

impl Facts {
    /// The line of a request that ends now.
    pub(super) fn line<'f>(&'f self, status: u16, reason: &'f str) -> Line<'f> {
        Line {
            time: format!("{:.3}", Timestamp::now()),
            id: &self.id,
            client: self.client.as_deref(),
            forwarded_for: self.forwarded_for.as_deref(),
            user_agent: self.user_agent.as_deref(),
            method: &self.method,
            path: &self.path,
            status,
            total_ms: milliseconds(self.began.elapsed()),
            reason,
            generation: None,
        }
    }
}

impl Line<'_> {
    /// The same line of a generation.
    pub(super) fn with(mut self, generation: Generation) -> Self {
        self.generation = Some(generation);
        self
    }
}

/// To a thousandth.
pub(super) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
