//! All routes on one screen, and what every request passes through.

use std::any::Any;
use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router, extract::OriginalUri};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::normalize_path::NormalizePath;

use crate::error::ApiError;
use crate::metrics::http::count;
use crate::openapi::Endpoint;
use crate::routes::description::Document;
use crate::routes::{
    apply_template, chat, completions, description, embeddings, health, metrics, models, ollama,
    page, props, responses, tokenize,
};
use crate::state::ServerState;
use crate::{auth, observe};

/// Before OpenAI's paths, which clients also send without it.
const VERSION: &str = "/v1";

/// Every endpoint, with its description.
fn endpoints() -> Vec<Endpoint> {
    let openai = [
        Endpoint::post("/chat/completions", chat::completions, chat::described()),
        Endpoint::post(
            "/completions",
            completions::completions,
            completions::described(),
        ),
        Endpoint::post("/responses", responses::responses, responses::described()),
        Endpoint::post(
            "/embeddings",
            embeddings::embeddings,
            embeddings::described(),
        ),
        // Of TEI, below whatever address a client was given for OpenAI's API.
        Endpoint::post("/embed", embeddings::embed, embeddings::tei_described()),
        Endpoint::get("/models", models::list, models::list_described()),
        Endpoint::get("/models/{*id}", models::one, models::one_described()),
    ];
    let ollama = [
        Endpoint::post("/chat", ollama::chat, ollama::chat_described()),
        Endpoint::post("/generate", ollama::generate, ollama::generate_described()),
        Endpoint::post("/embed", ollama::embed, ollama::embed_described()),
        Endpoint::post(
            "/embeddings",
            ollama::embeddings,
            ollama::embeddings_described(),
        ),
        Endpoint::get("/tags", ollama::tags, ollama::tags_described()),
        Endpoint::post("/show", ollama::show, ollama::show_described()),
        Endpoint::get("/version", ollama::version, ollama::version_described()),
    ];
    let others = [
        Endpoint::post("/tokenize", tokenize::tokenize, tokenize::described()),
        Endpoint::post(
            "/detokenize",
            tokenize::detokenize,
            tokenize::back_described(),
        ),
        Endpoint::post(
            "/apply-template",
            apply_template::apply_template,
            apply_template::described(),
        ),
        Endpoint::get("/props", props::props, props::described()),
        Endpoint::get("/metrics", metrics::metrics, metrics::described()),
        Endpoint::get(
            "/openapi.json",
            description::description,
            description::described(),
        ),
        Endpoint::get("/health", health::health, health::described()),
        Endpoint::get("/ready", health::health, health::ready_described()),
        Endpoint::get("/live", health::live, health::live_described()),
        Endpoint::get("/", page::index, page::described()),
        Endpoint::get("/page/{*file}", page::file, page::file_described()),
    ];
    let openai = openai.into_iter().map(|endpoint| endpoint.under(VERSION));
    let ollama = ollama.into_iter().map(|endpoint| endpoint.under("/api"));
    openai.chain(ollama).chain(others).collect()
}

/// The whole HTTP side. Tests call it without a socket.
pub fn app(state: Arc<ServerState>) -> Router {
    let endpoints = endpoints();
    let (guarded, open): (Vec<&Endpoint>, Vec<&Endpoint>) =
        (endpoints.iter()).partition(|endpoint| endpoint.described.needs_key());
    let mut routes = Router::new();
    for endpoint in guarded {
        routes = endpoint.added_to(routes, "");
        if endpoint.path.starts_with(VERSION) {
            routes = endpoint.added_to(routes, VERSION);
        }
    }
    routes = routes
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&state), auth::require_key));
    // Behind the key check, so that probes need none.
    for endpoint in open {
        routes = endpoint.added_to(routes, "");
    }
    let routes = routes
        .method_not_allowed_fallback(wrong_method)
        .layer(Extension(Document::new(endpoints)))
        .layer(state.settings.origins.layer())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(ollama::in_its_form))
        .layer(from_fn_with_state(Arc::clone(&state), observe::observe))
        .layer(from_fn_with_state(Arc::clone(&state), count))
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
