//! Whether a request may come in: `Authorization: Bearer KEY`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;

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
    if keys.are_required() {
        let header = request.headers().get(AUTHORIZATION).ok_or_else(|| {
            ApiError::unauthorized("no API key; send the header Authorization: Bearer KEY")
        })?;
        let given = bearer(header.as_bytes());
        if !given.is_some_and(|given| keys.accept(given)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_behind_bearer() {
        let cases: [(&[u8], Option<&[u8]>); 6] = [
            (b"Bearer one", Some(b"one")),
            (b"bearer  two ", Some(b"two")),
            (b"Bearer ", Some(b"")),
            (b"Basic one", None),
            (b"one", None),
            (b"Bearer one\xff", Some(b"one\xff")),
        ];
        for (header, wanted) in cases {
            assert_eq!(bearer(header), wanted, "{header:?}");
        }
    }
}
