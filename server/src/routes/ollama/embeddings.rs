//! `POST /api/embed`, and `POST /api/embeddings`, which came before it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use crate::api::embeddings::EmbeddingApi;
use crate::api::ollama::response::{Embeddings, OneEmbedding};
use crate::error::ApiError;
use crate::observe::RequestFacts;
use crate::openapi::{Described, bodies};
use crate::routes::body::UndeclaredBody;
use crate::routes::embeddings::answer;
use crate::routes::queue_slot::QueueSlot;
use crate::state::ServerState;

/// Vectors of one text or many.
///
/// # Errors
/// As those of `/v1/embeddings`.
pub async fn embed(
    State(state): State<Arc<ServerState>>,
    Extension(facts): Extension<RequestFacts>,
    _: QueueSlot,
    UndeclaredBody(body): UndeclaredBody,
) -> Result<Response, ApiError> {
    answer(state, facts, body, EmbeddingApi::Ollama).await
}

/// The vector of one text, which is not scaled.
///
/// # Errors
/// As those of `/v1/embeddings`.
pub async fn embeddings(
    State(state): State<Arc<ServerState>>,
    Extension(facts): Extension<RequestFacts>,
    _: QueueSlot,
    UndeclaredBody(body): UndeclaredBody,
) -> Result<Response, ApiError> {
    answer(state, facts, body, EmbeddingApi::OllamaOld).await
}

/// What `/openapi.json` says of `/api/embed`.
pub fn embed_described() -> Described {
    Described::new("ollamaEmbed", "Vectors of texts")
        .asked("OllamaEmbedRequest", bodies::embeddings)
        .answered::<Embeddings<'_>>()
        .refused(&[429])
        .of_ollama()
}

/// What `/openapi.json` says of `/api/embeddings`.
pub fn embeddings_described() -> Described {
    Described::new("ollamaEmbeddings", "The vector of a text")
        .asked("OllamaEmbeddingsRequest", bodies::embeddings)
        .answered::<OneEmbedding>()
        .refused(&[429])
        .of_ollama()
}
