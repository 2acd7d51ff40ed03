//! [`JsonObject`]: a request body as a JSON object, with our error object for every way to fail.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::error::ApiError;
use crate::state::ServerState;

/// Largest request body: a context full of text many times over.
pub const BODY_LIMIT_BYTES: usize = 8 << 20;

/// Longest time for a body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// The object that a request body holds, with leave to work on it: to be kept until all that was made
/// from it is gone, but the prompt's tokens.
#[derive(Debug)]
pub struct JsonObject(pub Map<String, Value>, pub OwnedSemaphorePermit);

impl FromRequest<Arc<ServerState>> for JsonObject {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<ServerState>) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::not_json());
        }
        let body = timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await;
        let body = body
            .map_err(|_| ApiError::too_slow(BODY_TIMEOUT))?
            .map_err(|rejection| {
                if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                    ApiError::body_too_large(BODY_LIMIT_BYTES)
                } else {
                    ApiError::invalid("the request body could not be read")
                }
            })?;
        let leave = Arc::clone(&state.reading).acquire_owned().await;
        let leave = leave.map_err(|_| ApiError::unavailable("the server is stopping"))?;
        match serde_json::from_slice(&body) {
            Ok(Value::Object(object)) => Ok(Self(object, leave)),
            Ok(_) => Err(ApiError::invalid("the request body must be a JSON object")),
            Err(error) => Err(ApiError::invalid(format!(
                "the request body is not valid JSON: {error}"
            ))),
        }
    }
}

/// `application/json` or `application/...+json`, with or without parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}
