//! What every request passes through first.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

use crate::error::Refused;
use crate::state::ServerState;

use super::facts::{Facts, LoggedElsewhere, RequestFacts};

/// Paths that probes ask every few seconds.
const PROBES: [&str; 3] = ["/health", "/ready", "/live"];

/// Gives the request an id, runs it, logs it.
pub async fn observe(
    State(state): State<Arc<ServerState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let facts = RequestFacts::of(&request);
    request.extensions_mut().insert(facts.clone());
    let mut response = next.run(request).await;
    facts.write_id(response.headers_mut());
    if response.extensions().get::<LoggedElsewhere>().is_none() {
        let status = response.status();
        let refused = response.extensions().get::<Refused>();
        let reason = refused.map_or("", |Refused(error)| error.message());
        let RequestFacts(known) = &facts;
        log(known, status, reason);
        if let Some(log) = &state.settings.access_log {
            log.write(known.line(status.as_u16(), reason));
        }
    }
    response
}

/// Probes come every few seconds, so successes other than answers are for debugging only. Busy and
/// loading (429, 503) are no faults; a 500 is ours.
fn log(known: &Facts, status: StatusCode, reason: &str) {
    let is_probe = PROBES.contains(&known.path.as_str());
    let what = format!("{} {}", known.method, known.path);
    let milliseconds = known.began.elapsed().as_millis() as u64;
    let (id, status) = (known.id.as_str(), status.as_u16());
    if status == 500 {
        tracing::error!(id, status, milliseconds, reason, "{what}");
    } else if status >= 400 && !is_probe {
        tracing::info!(id, status, milliseconds, reason, "{what}");
    } else {
        tracing::debug!(id, status, milliseconds, "{what}");
    }
}
