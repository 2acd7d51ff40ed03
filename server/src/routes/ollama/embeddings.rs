//! `POST /api/embed`, and `POST /api/embeddings`, which came before it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use crate::api::embeddings::EmbeddingApi;
use crate::error::ApiError;
use crate::observe::RequestId;
use crate::routes::body::JsonBody;
use crate::routes::embeddings::answer;
use crate::routes::room::Room;
use crate::state::ServerState;

/// Vectors of one text or many.
///
/// # Errors
/// As those of `/v1/embeddings`.
pub async fn embed(
    State(state): State<Arc<ServerState>>,
    Extension(id): Extension<RequestId>,
    _: Room,
    body: JsonBody,
) -> Result<Response, ApiError> {
    answer(state, id, body, EmbeddingApi::Ollama).await
}

/// The vector of one text, which is not scaled.
///
/// # Errors
/// As those of `/v1/embeddings`.
pub async fn embeddings(
    State(state): State<Arc<ServerState>>,
    Extension(id): Extension<RequestId>,
    _: Room,
    body: JsonBody,
) -> Result<Response, ApiError> {
    answer(state, id, body, EmbeddingApi::OllamaOld).await
}
