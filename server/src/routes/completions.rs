//! `POST /v1/completions`: texts are continued as they are, without a chat template.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value};

use crate::api::response::TextCompletion;
use crate::error::ApiError;
use crate::observe::RequestFacts;
use crate::openapi::{Described, bodies};
use crate::render::Head;
use crate::render::completion::{TextChunks, Texts};
use crate::render::stream::Format;
use crate::routes::body::JsonBody;
use crate::routes::generation::{Encoded, answer, fresh_seed};
use crate::routes::queue_slot::QueueSlot;
use crate::state::ServerState;
use crate::validate::check_completion;

/// Continues one text or many, whole or as server-sent events.
///
/// # Errors
/// As those of a chat.
pub async fn completions(
    State(state): State<Arc<ServerState>>,
    Extension(facts): Extension<RequestFacts>,
    _: QueueSlot,
    body: JsonBody,
) -> Result<Response, ApiError> {
    answer(&state, facts, body, encoded).await
}

/// What `/openapi.json` says of it.
pub fn described() -> Described {
    Described::new("completion", "Texts that go on")
        .asked("CompletionRequest", bodies::completion)
        .answered::<TextCompletion<'_>>()
        .streamed(TextChunks::CONTENT_TYPE)
}

/// What is to be generated for the body of a completion request. Takes its time.
///
/// # Errors
/// 400 for the request, 503 while loading.
pub fn encoded(state: &ServerState, body: Map<String, Value>) -> Result<Encoded<Texts>, ApiError> {
    let model = state.ready()?;
    let checked = check_completion(body, state.settings.defaults, model.vocabulary_size)?;
    let delivery = checked.delivery;
    let (text, grammars) = (model.text.as_ref(), model.grammars.as_ref());
    let (jobs, echoes) = checked.into_jobs(text, grammars, model.context_tokens, fresh_seed())?;
    let head = Head::new("cmpl-", &state.settings.model_name);
    let renderer = Texts {
        head,
        delivery,
        echoes,
    };
    Ok(Encoded {
        jobs,
        delivery,
        renderer,
    })
}
