//! `GET /props`: the plan in force, the model, the build.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::openapi::Described;
use crate::state::ServerState;

/// What runs here and how.
///
/// # Errors
/// 503 while the model is being loaded: the plan in force is not known before.
pub async fn props(State(state): State<Arc<ServerState>>) -> Result<Json<Value>, ApiError> {
    let model = state.ready()?;
    let (settings, rate) = (&state.settings, state.rate.now());
    let mut props = json!({
        "model_name": settings.model_name,
        "context_tokens": model.context_tokens,
        "default_temperature": settings.defaults.temperature,
        "max_tokens": settings.defaults.max_tokens,
        "queue": {"waiting": state.queue.len(), "limit": state.queue.limit()},
        // Over the last ten seconds; null: not known, and nothing to say.
        "rate": {
            "decode_tokens_per_second": rate.decode,
            "tuned_tokens_per_second": rate.tuned,
            "share": rate.share,
            "cause": rate.words,
        },
        "build": {"version": env!("CARGO_PKG_VERSION"), "architecture": std::env::consts::ARCH},
    });
    if let (Some(props), Some(more)) = (props.as_object_mut(), model.props.as_object()) {
        props.extend(more.clone());
    }
    Ok(Json(props))
}

/// What `/openapi.json` says of it.
pub fn described() -> Described {
    Described::new("props", "What runs here and how").answered_freely()
}
