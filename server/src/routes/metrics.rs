//! `GET /metrics`: what Prometheus reads. Answers while the model is loaded and while the server stops, too.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::openapi::Described;
use crate::state::ServerState;

/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics.
pub async fn metrics(State(state): State<Arc<ServerState>>) -> Response {
    ([(CONTENT_TYPE, TEXT)], state.metrics_text()).into_response()
}

/// What `/openapi.json` says of it.
pub fn described() -> Described {
    Described::new(
        "metrics",
        "Counters, gauges and histograms, as Prometheus reads them",
    )
    .answered_as("text/plain")
    .never(&[503])
}
