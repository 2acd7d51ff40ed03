//! Counts HTTP requests by their route and status, and notes when each arrived.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::server::CLIENT_LEFT;
use crate::state::ServerState;

/// The route of all paths that are none.
const OTHER: &str = "other";

/// Counts the request when it has a status, or its client has left.
pub async fn count(
    State(state): State<Arc<ServerState>>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let mut counted = Counted {
        path: route.map_or(OTHER, MatchedPath::as_str).to_owned(),
        status: CLIENT_LEFT,
        state,
    };
    let response = next.run(request).await;
    counted.status = response.status().as_u16();
    response
}

/// Counts when it is dropped, which a request is whose client leaves.
struct Counted {
    path: String,
    status: u16,
    state: Arc<ServerState>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.state.metrics.answered(&self.path, self.status);
    }
}
