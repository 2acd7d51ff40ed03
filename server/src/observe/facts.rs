//! What is known of a request before anybody works on it.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::Request;
use axum::http::header::USER_AGENT;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::connections::Client;

/// The header with a request's id, in requests and responses.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The header in which proxies say who their client is.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Longest id that is taken over.
const MAX_ID_BYTES: usize = 128;

/// Longest value of another header that is kept.
const MAX_VALUE_BYTES: usize = 256;

/// What is known of a request, for handlers and logs: an extension of it.
#[derive(Clone, Debug)]
pub struct RequestFacts(pub(super) Arc<Facts>);

/// Marks a response whose line is written by a [`GenerationLog`](super::GenerationLog).
#[derive(Clone, Copy, Debug)]
pub struct LoggedElsewhere;

#[derive(Debug)]
pub(super) struct Facts {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) path: String,
    /// Address and port of the other end of the connection; `None` in tests without one.
    pub(super) client: Option<String>,
    pub(super) forwarded_for: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) began: Instant,
}

impl RequestFacts {
    /// Of a request that arrives now.
    pub(super) fn of(request: &Request) -> Self {
        let headers = request.headers();
        let given = value(headers, &REQUEST_ID).filter(|id| id.len() <= MAX_ID_BYTES);
        let client = request.extensions().get::<Client>();
        let kept = |name| value(headers, &name).map(|text| shortened(text, MAX_VALUE_BYTES));
        Self(Arc::new(Facts {
            id: given.map_or_else(|| Uuid::new_v4().simple().to_string(), str::to_string),
            method: request.method().to_string(),
            path: shortened(request.uri().path(), MAX_VALUE_BYTES),
            client: client.map(|Client(address)| address.to_string()),
            forwarded_for: kept(FORWARDED_FOR),
            user_agent: kept(USER_AGENT),
            began: Instant::now(),
        }))
    }

    /// When the request arrived, before its body.
    pub fn began(&self) -> Instant {
        self.0.began
    }

    /// Sends the id back.
    pub(super) fn write_id(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&self.0.id) {
            headers.insert(REQUEST_ID, value);
        }
    }
}

/// A header's value, if it is text and not empty.
fn value<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let text = headers.get(name)?.to_str().ok()?;
    (!text.is_empty()).then_some(text)
}

/// The beginning of an ASCII text.
fn shortened(text: &str, bytes: usize) -> String {
    text.chars().take(bytes).collect()
}
