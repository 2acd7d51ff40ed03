//! `POST /v1/responses`: a chat in the words of OpenAI's newer API. Nothing is kept between requests.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value};

use crate::api::responses::request::{in_its_words, read};
use crate::api::responses::response::Response as Object;
use crate::error::ApiError;
use crate::observe::RequestFacts;
use crate::openapi::{Described, bodies};
use crate::render::Head;
use crate::render::responses::Answer;
use crate::render::stream::Format;
use crate::routes::body::JsonBody;
use crate::routes::chat;
use crate::routes::generation::{Encoded, answer};
use crate::routes::queue_slot::QueueSlot;
use crate::state::ServerState;

/// Generates what the model thinks, says and calls, whole or as server-sent events.
///
/// # Errors
/// As those of a chat.
pub async fn responses(
    State(state): State<Arc<ServerState>>,
    Extension(facts): Extension<RequestFacts>,
    _: QueueSlot,
    body: JsonBody,
) -> Result<Response, ApiError> {
    answer(&state, facts, body, encoded).await
}

/// What `/openapi.json` says of it.
pub fn described() -> Described {
    Described::new("response", "What the model thinks, says and calls")
        .asked("ResponseRequest", bodies::response)
        .answered::<Object<'_>>()
        .streamed(Answer::CONTENT_TYPE)
}

fn encoded(state: &ServerState, body: Map<String, Value>) -> Result<Encoded<Answer>, ApiError> {
    let settings = &state.settings;
    let (body, echo) = read(body, settings.defaults.temperature)?;
    let (jobs, delivery, reading) = chat::encoded(state, body).map_err(in_its_words)?;
    let head = Head::new("resp_", &settings.model_name);
    let renderer = Answer::new(head, echo, reading.reader());
    let encoded = Encoded {
        jobs,
        delivery,
        renderer,
    };
    encoded.single()
}
