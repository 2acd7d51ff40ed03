//! `POST /v1/chat/completions`.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::observe::RequestId;
use crate::reading::Reading;
use crate::render::sse::Chunks;
use crate::render::{Head, json};
use crate::routes::body::JsonBody;
use crate::routes::generation::{Generation, fresh_seed};
use crate::routes::room::Room;
use crate::scheduler::ValidJob;
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
    let (jobs, delivery, reading) = {
        let state = Arc::clone(&state);
        body.work(move |body| encoded(&state, body)).await?
    };
    let generation = Generation::start(&state, jobs, delivery.per_prompt, (id, began))?;
    let head = Head::new("chatcmpl", &state.settings.model_name);
    if delivery.stream {
        let (prompt_tokens, answers) = (generation.prompt_tokens(), generation.answers());
        let chunks = Chunks::new(head, delivery, &reading, prompt_tokens, answers);
        return Ok(generation.streamed(chunks));
    }
    let render = |gathered| json::answer(&head, delivery.logprobs, &reading, gathered);
    Ok(generation.whole(render).await)
}

/// What is to be generated for the body of a chat request, how it is wanted and how it is to be read. Takes its
/// time.
///
/// # Errors
/// 400 for the request, 503 while loading.
pub fn encoded(
    state: &ServerState,
    body: Map<String, Value>,
) -> Result<(Vec<ValidJob>, Delivery, Reading), ApiError> {
    let model = state.ready()?;
    let checked = check(body, state.settings.defaults, model.vocabulary_size)?;
    let delivery = checked.delivery;
    let sides = (model.prompt.as_ref(), model.grammars.as_ref());
    let (jobs, reading) = checked.into_jobs(sides, model.context_tokens, fresh_seed())?;
    Ok((jobs, delivery, reading))
}
