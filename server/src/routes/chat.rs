//! `POST /v1/chat/completions`.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::ApiError;
use crate::observe::{GenerationLog, LoggedElsewhere, RequestId};
use crate::reading::Reading;
use crate::render::{Head, json, sse};
use crate::routes::body::JsonBody;
use crate::routes::room::Room;
use crate::scheduler::{Refusal, ValidJob};
use crate::state::ServerState;
use crate::validate::{Delivery, check};

/// Generates the assistant's next message, whole or as server-sent events.
///
/// Everything that the client can have wrong is found before the response begins; a stream's
/// headers leave before the prompt is computed.
///
/// # Errors
/// 400 for the request, 429 when the queue is full, 500 when the engine fails, 503 while loading or
/// stopping.
pub async fn completions(
    State(state): State<Arc<ServerState>>,
    Extension(id): Extension<RequestId>,
    _: Room,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let began = Instant::now();
    let (job, delivery, reading) = {
        let state = Arc::clone(&state);
        body.work(move |body| encoded(&state, body)).await?
    };
    let Delivery {
        stream,
        include_usage,
    } = delivery;
    let prompt_tokens = job.prompt().len();
    let events = state.queue.submit(job).map_err(|refusal| match refusal {
        Refusal::Full { limit } => ApiError::queue_full(limit),
        Refusal::Closed => ApiError::unavailable("the server is stopping"),
    })?;
    let log = GenerationLog::new(id, prompt_tokens, began, Arc::clone(&state));
    let head = Head::new(&state.settings.model_name);
    let mut response = if stream {
        sse::answer(head, include_usage, events, reading.reader(), log)
    } else {
        let whole = json::answer(&head, events, reading.reader(), log).await;
        whole.unwrap_or_else(IntoResponse::into_response)
    };
    response.extensions_mut().insert(LoggedElsewhere);
    Ok(response)
}

/// What is to be generated, and how it is wanted.
fn encoded(
    state: &ServerState,
    body: Map<String, Value>,
) -> Result<(ValidJob, Delivery, Reading), ApiError> {
    let model = state.ready()?;
    let checked = check(body, state.settings.defaults, model.vocabulary_size)?;
    let delivery = checked.delivery;
    let seed = Uuid::new_v4().as_u64_pair().0;
    let sides = (model.prompt.as_ref(), model.grammars.as_ref());
    let (job, reading) = checked.into_job(sides, model.context_tokens, seed)?;
    Ok((job, delivery, reading))
}
