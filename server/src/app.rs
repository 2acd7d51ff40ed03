//! All routes on one screen, and what every request passes through.

use std::any::Any;
use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, extract::OriginalUri};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tower_http::normalize_path::NormalizePath;

use crate::error::ApiError;
use crate::routes::{
    apply_template, chat, completions, embeddings, health, models, ollama, props, tokenize,
};
use crate::state::ServerState;
use crate::{auth, observe};

/// The whole HTTP side. Tests call it without a socket.
pub fn app(state: Arc<ServerState>) -> Router {
    // OpenAI's paths, which clients also send without the version.
    let openai = Router::new()
        .route("/chat/completions", post(chat::completions))
        .route("/completions", post(completions::completions))
        .route("/embeddings", post(embeddings::embeddings))
        // Of TEI, below whatever address a client was given for OpenAI's API.
        .route("/embed", post(embeddings::embed))
        .route("/models", get(models::list))
        .route("/models/{*id}", get(models::one));
    let ollama = Router::new()
        .route("/chat", post(ollama::chat))
        .route("/generate", post(ollama::generate))
        .route("/embed", post(ollama::embed))
        .route("/embeddings", post(ollama::embeddings))
        .route("/tags", get(ollama::tags))
        .route("/show", post(ollama::show))
        .route("/version", get(ollama::version));
    let routes = Router::new()
        .nest("/v1", openai.clone())
        .merge(openai)
        .nest("/api", ollama)
        .route("/tokenize", post(tokenize::tokenize))
        .route("/detokenize", post(tokenize::detokenize))
        .route("/apply-template", post(apply_template::apply_template))
        .route("/props", get(props::props))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&state), auth::require_key))
        // Behind the key check, so that probes need none.
        .route("/health", get(health::health))
        .method_not_allowed_fallback(wrong_method)
        .layer(CorsLayer::permissive())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(ollama::in_its_form))
        .layer(from_fn(observe::observe))
        .with_state(state);
    // A slash at the end means nothing, on any path.
    Router::new().fallback_service(NormalizePath::trim_trailing_slash(routes))
}

async fn not_found(OriginalUri(uri): OriginalUri, request: Request) -> ApiError {
    ApiError::route_not_found(request.method().as_str(), uri.path())
}

async fn wrong_method(OriginalUri(uri): OriginalUri, request: Request) -> ApiError {
    ApiError::method_not_allowed(request.method().as_str(), uri.path())
}

/// The panic hook has printed the message; the client learns only that it was us.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::internal("the server failed at this request; its log says more").into_response()
}
