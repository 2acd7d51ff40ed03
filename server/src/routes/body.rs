//! [`JsonBody`]: a request body that is a JSON object, with our error object for every way to fail.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, TRANSFER_ENCODING};
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use crate::api::json;
use crate::error::ApiError;
use crate::intake::{Held, Intake, WorkPermit};
use crate::state::ServerState;

/// Longest time for a body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// What some editors put before text; no part of JSON.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A request body that has arrived, with a permit to work on it.
#[derive(Debug)]
pub struct JsonBody {
    bytes: Vec<u8>,
    permit: WorkPermit,
}

impl FromRequest<Arc<ServerState>> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<ServerState>) -> Result<Self, ApiError> {
        state.ready()?;
        check_type(request.headers())?;
        Self::arrived(request, state).await
    }
}

/// The same, whatever the body is declared to be: curl says that it is a form, and Ollama's examples let it.
#[derive(Debug)]
pub struct UndeclaredBody(pub JsonBody);

impl FromRequest<Arc<ServerState>> for UndeclaredBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<ServerState>) -> Result<Self, ApiError> {
        state.ready()?;
        JsonBody::arrived(request, state).await.map(Self)
    }
}

impl JsonBody {
    async fn arrived(request: Request, state: &Arc<ServerState>) -> Result<Self, ApiError> {
        if let Some(encoding) = encoding(request.headers()) {
            return Err(ApiError::encoded(&encoding));
        }
        let (bytes, held) = read(
            request.into_body(),
            state.settings.max_body_bytes,
            &state.intake,
        )
        .await?;
        let permit = state.intake.permit(bytes.len(), held).await?;
        Ok(Self { bytes, permit })
    }

    /// Does `work` with the object, where it may take its time: neither it nor parsing keeps the threads
    /// that speak HTTP.
    ///
    /// # Errors
    /// 400 if the body is no JSON object, 500 if the work panics, else those of the work.
    pub async fn work<T, W>(self, work: W) -> Result<T, ApiError>
    where
        T: Send + 'static,
        W: FnOnce(Map<String, Value>) -> Result<T, ApiError> + Send + 'static,
    {
        let Self { bytes, permit, .. } = self;
        let worked = tokio::task::spawn_blocking(move || {
            let worked = object(bytes).and_then(work);
            drop(permit);
            worked
        });
        worked.await.unwrap_or_else(|_| {
            let failed = "the request could not be worked on; the server's log says more";
            Err(ApiError::internal(failed))
        })
    }
}

/// Reads a body, once there is room for what it says it has; for one that does not say, as soon as it is
/// more than a small one.
async fn read(mut body: Body, limit: usize, intake: &Intake) -> Result<(Vec<u8>, Held), ApiError> {
    let declared = body.size_hint().lower() as usize;
    if declared > limit {
        return Err(ApiError::body_too_large(limit));
    }
    let mut held = intake.hold(declared).await?;
    let mut bytes = Vec::with_capacity(declared);
    let deadline = Instant::now() + BODY_TIMEOUT;
    loop {
        let frame = timeout_at(deadline, body.frame()).await;
        let Some(frame) = frame.map_err(|_| ApiError::too_slow(BODY_TIMEOUT))? else {
            return Ok((bytes, held));
        };
        let frame = frame.map_err(|_| ApiError::invalid("the request body could not be read"))?;
        // Trailers say nothing here.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let together = bytes.len() + data.len();
        if together > limit {
            return Err(ApiError::body_too_large(limit));
        }
        if !held.is_enough_for(together) {
            held = intake.hold(limit).await?;
            bytes.reserve_exact(limit - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
}

fn object(bytes: Vec<u8>) -> Result<Map<String, Value>, ApiError> {
    if bytes.starts_with(BYTE_ORDER_MARK) {
        let message = "the request body begins with a byte order mark; send it without";
        return Err(ApiError::invalid(message));
    }
    match json::value(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::invalid("the request body must be a JSON object")),
        Err(error) => Err(ApiError::invalid(format!(
            "the request body is not valid JSON: {error}"
        ))),
    }
}

/// Whether a body is said to be `application/json` or `application/...+json`, in the one charset that JSON has.
fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    if kind != "application/json" && !(kind.starts_with("application/") && kind.ends_with("+json"))
    {
        return Err(ApiError::not_json());
    }
    let charsets = parts.filter_map(|part| part.strip_prefix("charset="));
    let mut charsets = charsets.map(|charset| charset.trim_matches('"'));
    let other = charsets.find(|charset| !["utf-8", "utf8", "us-ascii"].contains(charset));
    other.map_or(Ok(()), |charset| Err(ApiError::other_charset(charset)))
}

/// What a body is encoded with, if it is: for itself, or on its way.
fn encoding(headers: &HeaderMap) -> Option<String> {
    let plain = ["", "identity", "chunked"];
    let values = [CONTENT_ENCODING, TRANSFER_ENCODING];
    let values = values.iter().flat_map(|name| headers.get_all(name));
    let mut values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).to_lowercase());
    values.find_map(|value| {
        let mut each = value.split(',').map(str::trim);
        each.find(|encoding| !plain.contains(encoding))
            .map(str::to_owned)
    })
}
