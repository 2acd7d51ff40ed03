//! `GET /health` and `GET /ready`: 200 when requests are served, 503 with the reason otherwise. `GET /live`: 200
//! while loading and draining too. None of them waits.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::openapi::Described;
use crate::state::{ServerState, Status};

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

/// That the process does not have to be started anew.
#[derive(Debug, Serialize, ToSchema)]
pub struct Liveness {
    /// `loading`, `ready` or `draining`.
    pub status: &'static str,
}

/// Liveness: a server that loads or drains must not be killed for it.
///
/// # Errors
/// 503 after a failure of the engine.
pub async fn live(State(state): State<Arc<ServerState>>) -> Result<Json<Liveness>, ApiError> {
    let status = match state.status() {
        Status::Loading => "loading",
        Status::Ready => "ready",
        Status::Draining | Status::CutOff => "draining",
        Status::Failed => return Err(ApiError::unavailable("the engine has stopped")),
    };
    Ok(Json(Liveness { status }))
}

/// What `/openapi.json` says of it.
pub fn described() -> Described {
    Described::new("health", "Whether requests are served")
        .answered::<Health>()
        .never(&[401])
}

/// What it says of the other path.
pub fn ready_described() -> Described {
    Described::new("ready", "The same, under the name that orchestrators use")
        .answered::<Health>()
        .never(&[401])
}

/// What it says of liveness.
pub fn live_described() -> Described {
    Described::new(
        "live",
        "Whether the process works: also while it loads or drains",
    )
    .answered::<Liveness>()
    .never(&[401])
}
