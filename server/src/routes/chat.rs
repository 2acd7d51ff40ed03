//! `POST /v1/chat/completions`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value};

use crate::api::response::ChatCompletion;
use crate::error::ApiError;
use crate::observe::RequestFacts;
use crate::openapi::{Described, bodies};
use crate::reading::Reading;
use crate::render::Head;
use crate::render::chat::Chat;
use crate::render::sse::Chunks;
use crate::render::stream::Format;
use crate::routes::body::JsonBody;
use crate::routes::generation::{Encoded, answer, fresh_seed};
use crate::routes::queue_slot::QueueSlot;
use crate::scheduler::ValidJob;
use crate::state::ServerState;
use crate::validate::{Delivery, check};

/// Generates the assistant's next message, whole or as server-sent events.
///
/// # Errors
/// 400 for the request, 429 when the queue is full, 500 when the engine fails, 503 while loading or
/// stopping.
pub async fn completions(
    State(state): State<Arc<ServerState>>,
    Extension(facts): Extension<RequestFacts>,
    _: QueueSlot,
    body: JsonBody,
) -> Result<Response, ApiError> {
    answer(&state, facts, body, rendered).await
}

/// What `/openapi.json` says of it.
pub fn described() -> Described {
    Described::new("chat", "The assistant's next message")
        .asked("ChatRequest", bodies::chat)
        .answered::<ChatCompletion<'_>>()
        .streamed(Chunks::CONTENT_TYPE)
}

fn rendered(state: &ServerState, body: Map<String, Value>) -> Result<Encoded<Chat>, ApiError> {
    let (jobs, delivery, reading) = encoded(state, body)?;
    let head = Head::new("chatcmpl-", &state.settings.model_name);
    let renderer = Chat {
        head,
        delivery,
        reading,
    };
    Ok(Encoded {
        jobs,
        delivery,
        renderer,
    })
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
    let (prompt, grammars) = (model.prompt.as_ref(), model.grammars.as_ref());
    let (jobs, reading) =
        checked.into_jobs(prompt, grammars, model.context_tokens, fresh_seed())?;
    Ok((jobs, delivery, reading))
}
