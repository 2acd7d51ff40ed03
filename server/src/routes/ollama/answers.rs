//! `POST /api/chat` and `POST /api/generate`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value};

use crate::api::ollama::request::{self, Asked};
use crate::api::ollama::response::Answer;
use crate::error::ApiError;
use crate::observe::RequestFacts;
use crate::openapi::{Described, bodies};
use crate::reading::Reading;
use crate::render::ollama::{Kind, Lines};
use crate::render::stream::Format;
use crate::routes::body::{JsonBody, UndeclaredBody};
use crate::routes::generation::{self, Encoded};
use crate::routes::queue_slot::QueueSlot;
use crate::routes::{chat as openai_chat, completions};
use crate::state::ServerState;

/// Generates the assistant's next message, as lines of JSON or as one object.
///
/// # Errors
/// As those of `/v1/chat/completions`.
pub async fn chat(
    State(state): State<Arc<ServerState>>,
    Extension(facts): Extension<RequestFacts>,
    _: QueueSlot,
    UndeclaredBody(body): UndeclaredBody,
) -> Result<Response, ApiError> {
    answer(&state, facts, body, Kind::Chat, request::chat).await
}

/// Answers a prompt, or continues it, as lines of JSON or as one object.
///
/// # Errors
/// As those of `/v1/chat/completions`.
pub async fn generate(
    State(state): State<Arc<ServerState>>,
    Extension(facts): Extension<RequestFacts>,
    _: QueueSlot,
    UndeclaredBody(body): UndeclaredBody,
) -> Result<Response, ApiError> {
    answer(&state, facts, body, Kind::Generate, request::generate).await
}

/// What `/openapi.json` says of `/api/chat`.
pub fn chat_described() -> Described {
    Described::new("ollamaChat", "The assistant's next message")
        .asked("OllamaChatRequest", bodies::ollama_chat)
        .answered::<Answer<'_>>()
        .streamed(Lines::CONTENT_TYPE)
        .of_ollama()
}

/// What `/openapi.json` says of `/api/generate`.
pub fn generate_described() -> Described {
    Described::new(
        "ollamaGenerate",
        "An answer to a prompt, or a text that goes on",
    )
    .asked("OllamaGenerateRequest", bodies::ollama_generate)
    .answered::<Answer<'_>>()
    .streamed(Lines::CONTENT_TYPE)
    .of_ollama()
}

type Read = fn(Map<String, Value>) -> Result<Asked, ApiError>;

async fn answer(
    state: &Arc<ServerState>,
    facts: RequestFacts,
    body: JsonBody,
    kind: Kind,
    read: Read,
) -> Result<Response, ApiError> {
    let began = facts.began();
    let lines = {
        let model = state.settings.model_name.clone();
        move |reading: &Reading| Lines::new(kind, &model, began, reading.reader())
    };
    let encoded = {
        let (state, lines) = (Arc::clone(state), lines.clone());
        body.work(move |body| encoded(&state, read(body)?, lines))
            .await?
    };
    match encoded {
        None => Ok(lines(&Reading::default()).loaded()),
        Some(encoded) => generation::generate(state, facts, encoded).await,
    }
}

/// What is to be generated, if anything is.
fn encoded(
    state: &ServerState,
    asked: Asked,
    lines: impl Fn(&Reading) -> Lines,
) -> Result<Option<Encoded<Lines>>, ApiError> {
    let (jobs, delivery, reading) = match asked {
        Asked::Load => return Ok(None),
        Asked::Chat(body) => openai_chat::encoded(state, body)?,
        Asked::Text(body) => {
            let encoded = completions::encoded(state, body)?;
            // A text that goes on has neither thoughts nor calls.
            (encoded.jobs, encoded.delivery, Reading::default())
        }
    };
    let renderer = lines(&reading).with_logprobs(delivery.logprobs);
    let encoded = Encoded {
        jobs,
        delivery,
        renderer,
    };
    encoded.single().map(Some)
}
