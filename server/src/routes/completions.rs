//! `POST /v1/completions`: texts are continued as they are, without a chat template.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::observe::RequestId;
use crate::render::Head;
use crate::render::completion::{TextChunks, answer};
use crate::routes::body::JsonBody;
use crate::routes::generation::{Generation, fresh_seed};
use crate::routes::room::Room;
use crate::scheduler::ValidJob;
use crate::state::ServerState;
use crate::validate::{Delivery, check_completion};

/// What is to be generated, how it is wanted, and the prompts where they are to be in front.
pub struct Encoded {
    /// A job for each answer, those to one prompt behind each other.
    pub jobs: Vec<ValidJob>,
    /// How they are wanted.
    pub delivery: Delivery,
    /// One for each prompt, or none.
    pub echoes: Vec<String>,
}

/// Continues one text or many, whole or as server-sent events.
///
/// # Errors
/// As those of a chat.
pub async fn completions(
    State(state): State<Arc<ServerState>>,
    Extension(id): Extension<RequestId>,
    _: Room,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let began = Instant::now();
    let Encoded {
        jobs,
        delivery,
        echoes,
    } = {
        let state = Arc::clone(&state);
        body.work(move |body| encoded(&state, body)).await?
    };
    let generation = Generation::start(&state, jobs, delivery.per_prompt, (id, began))?;
    let head = Head::new("cmpl", &state.settings.model_name);
    if delivery.stream {
        let (prompt_tokens, answers) = (generation.prompt_tokens(), generation.answers());
        let chunks = TextChunks::new(head, delivery, echoes, prompt_tokens, answers);
        return Ok(generation.streamed(chunks));
    }
    let render = |gathered| answer(&head, delivery, &echoes, gathered);
    Ok(generation.whole(render).await)
}

/// What is to be generated for the body of a completion request. Takes its time.
///
/// # Errors
/// 400 for the request, 503 while loading.
pub fn encoded(state: &ServerState, body: Map<String, Value>) -> Result<Encoded, ApiError> {
    let model = state.ready()?;
    let checked = check_completion(body, state.settings.defaults, model.vocabulary_size)?;
    let delivery = checked.delivery;
    let sides = (model.text.as_ref(), model.grammars.as_ref());
    let (jobs, echoes) = checked.into_jobs(sides, model.context_tokens, fresh_seed())?;
    Ok(Encoded {
        jobs,
        delivery,
        echoes,
    })
}
