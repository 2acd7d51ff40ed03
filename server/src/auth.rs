//! API keys, as `Authorization: Bearer KEY`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use subtle::ConstantTimeEq;

use crate::error::ApiError;
use crate::state::ServerState;

/// Lets a request through if no keys are configured or it has one of them.
///
/// # Errors
/// 401 otherwise.
pub async fn require_key(
    State(state): State<Arc<ServerState>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let keys = &state.settings.api_keys;
    if !keys.is_empty() {
        let header = request.headers().get(AUTHORIZATION).ok_or_else(|| {
            ApiError::unauthorized("no API key; send the header Authorization: Bearer KEY")
        })?;
        let given = bearer(header.as_bytes());
        if !given.is_some_and(|given| is_known(given, keys)) {
            return Err(ApiError::unauthorized("the API key is not accepted here"));
        }
    }
    Ok(next.run(request).await)
}

fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = header.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| key.trim_ascii())
}

/// Looks at all keys whatever the answer, so that time tells nothing but lengths.
fn is_known(given: &[u8], keys: &[String]) -> bool {
    keys.iter().fold(false, |known, key| {
        known | bool::from(given.ct_eq(key.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_keys() {
        let keys = ["one".to_string(), "two".to_string()];
        let cases: [(&[u8], bool); 7] = [
            (b"Bearer one", true),
            (b"bearer two ", true),
            (b"Bearer on", false),
            (b"Bearer ", false),
            (b"Basic one", false),
            (b"one", false),
            (b"Bearer one\xff", false),
        ];
        for (header, wanted) in cases {
            let found = bearer(header).is_some_and(|given| is_known(given, &keys));
            assert_eq!(found, wanted, "{header:?}");
        }
    }
}
