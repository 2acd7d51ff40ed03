//! `GET /health`: 200 when requests are served, 503 with the reason otherwise. Never waits.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::state::ServerState;

/// Readiness, for probes and routers.
///
/// # Errors
/// 503 while loading, stopping, or after a failure of the engine.
pub async fn health(State(state): State<Arc<ServerState>>) -> Result<Json<Value>, ApiError> {
    state.ready()?;
    Ok(Json(json!({"status": "ok", "waiting": state.queue.len()})))
}
