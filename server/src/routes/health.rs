//! `GET /health`: 200 when requests are served, 503 with the reason otherwise. Never waits.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::openapi::Described;
use crate::state::ServerState;

/// That requests are served.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    pub status: &'static str,
    /// Requests that wait.
    pub waiting: usize,
}

/// Readiness, for probes and routers.
///
/// # Errors
/// 503 while loading, stopping, or after a failure of the engine.
pub async fn health(State(state): State<Arc<ServerState>>) -> Result<Json<Health>, ApiError> {
    state.ready()?;
    Ok(Json(Health {
        status: "ok",
        waiting: state.queue.len(),
    }))
}

/// What `/openapi.json` says of it.
pub fn described() -> Described {
    Described::new("health", "Whether requests are served")
        .answered::<Health>()
        .never(&[401])
}
