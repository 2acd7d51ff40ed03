//! [`QueueSlot`]: a request for an answer is turned away before its body is read where it would be
//! afterwards, when it has cost the engine's CPUs a template and a tokenizer.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::error::ApiError;
use crate::state::ServerState;

/// The queue had a free slot when the request came. Others may take it meanwhile.
#[derive(Debug)]
pub struct QueueSlot;

impl FromRequestParts<Arc<ServerState>> for QueueSlot {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, state: &Arc<ServerState>) -> Result<Self, ApiError> {
        match state.queue.is_full() {
            true => Err(ApiError::queue_full(state.queue.limit())),
            false => Ok(Self),
        }
    }
}
