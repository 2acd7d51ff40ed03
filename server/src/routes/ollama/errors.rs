//! Errors as Ollama's clients read them: `{"error": TEXT}`.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONTENT_LENGTH;
use axum::middleware::Next;
use axum::response::Response;
use serde_json::json;

use crate::api::ollama::response::OllamaError;
use crate::error::Refused;

/// Gives errors under `/api/` that form, and leaves everything else as it is.
pub async fn in_its_form(request: Request, next: Next) -> Response {
    let is_its_own = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let refused = response.extensions().get::<Refused>();
    let text = refused.map(|Refused(error)| {
        let error = error.message();
        json!(OllamaError { error }).to_string()
    });
    if let Some(text) = text.filter(|_| is_its_own) {
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = Body::from(text);
    }
    response
}
