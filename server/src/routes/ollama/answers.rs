//! `POST /api/chat` and `POST /api/generate`.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value};

use crate::api::ollama::request::{self, Asked};
use crate::error::ApiError;
use crate::observe::RequestId;
use crate::reading::Reading;
use crate::render::ollama::{Kind, Lines};
use crate::routes::body::{JsonBody, UndeclaredBody};
use crate::routes::generation::Generation;
use crate::routes::room::Room;
use crate::routes::{chat as openai_chat, completions};
use crate::scheduler::ValidJob;
use crate::state::ServerState;
use crate::validate::Delivery;

/// Generates the assistant's next message, as lines of JSON or as one object.
///
/// # Errors
/// As those of `/v1/chat/completions`.
pub async fn chat(
    State(state): State<Arc<ServerState>>,
    Extension(id): Extension<RequestId>,
    _: Room,
    UndeclaredBody(body): UndeclaredBody,
) -> Result<Response, ApiError> {
    answer(&state, id, body, (Kind::Chat, request::chat)).await
}

/// Answers a prompt, or continues it, as lines of JSON or as one object.
///
/// # Errors
/// As those of `/v1/chat/completions`.
pub async fn generate(
    State(state): State<Arc<ServerState>>,
    Extension(id): Extension<RequestId>,
    _: Room,
    UndeclaredBody(body): UndeclaredBody,
) -> Result<Response, ApiError> {
    answer(&state, id, body, (Kind::Generate, request::generate)).await
}

type Read = fn(Map<String, Value>) -> Result<Asked, ApiError>;

async fn answer(
    state: &Arc<ServerState>,
    id: RequestId,
    body: JsonBody,
    (kind, read): (Kind, Read),
) -> Result<Response, ApiError> {
    let began = Instant::now();
    let encoded = {
        let state = Arc::clone(state);
        body.work(move |body| encoded(&state, read(body)?)).await?
    };
    let lines = |reading: &Reading| {
        let model = &state.settings.model_name;
        Lines::new(kind, model, began, reading.reader())
    };
    let Some((jobs, delivery, reading)) = encoded else {
        return Ok(lines(&Reading::default()).loaded());
    };
    let lines = lines(&reading);
    if jobs.len() != 1 {
        let message =
            "n must be 1: Ollama's API has one answer to a request; use /v1/chat/completions";
        return Err(ApiError::unsupported("n", message));
    }
    let generation = Generation::start(state, jobs, delivery.per_prompt, (id, began))?;
    if delivery.stream {
        return Ok(generation.streamed(lines));
    }
    let render = |gathered| lines.whole(delivery.logprobs, gathered);
    Ok(generation.whole(render).await)
}

/// What is to be generated, if anything is.
fn encoded(
    state: &ServerState,
    asked: Asked,
) -> Result<Option<(Vec<ValidJob>, Delivery, Reading)>, ApiError> {
    match asked {
        Asked::Load => Ok(None),
        Asked::Chat(body) => openai_chat::encoded(state, body).map(Some),
        Asked::Text(body) => {
            let encoded = completions::encoded(state, body)?;
            // A text that goes on has neither thoughts nor calls.
            Ok(Some((encoded.jobs, encoded.delivery, Reading::default())))
        }
    }
}
