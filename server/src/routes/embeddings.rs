//! `POST /v1/embeddings`, and what other APIs have for it: vectors of texts. The vector of a text is the mean
//! of the model's hidden states over its tokens.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::api::embeddings::{EmbeddingApi, EmbeddingList, Means};
use crate::error::ApiError;
use crate::observe::{GenerationLog, RequestFacts};
use crate::openapi::{Described, bodies};
use crate::render::embeddings::{Vectors, embedded};
use crate::routes::body::JsonBody;
use crate::routes::generation::{logged, refused};
use crate::routes::queue_slot::QueueSlot;
use crate::scheduler::{Embedded, ValidInputs, Waits};
use crate::state::ServerState;
use crate::validate::{VectorForm, check_embeddings};

/// OpenAI's.
///
/// # Errors
/// 400 for the request, 429 when the queue is full, 503 while loading or stopping, 500 when the engine fails.
pub async fn embeddings(
    State(state): State<Arc<ServerState>>,
    Extension(facts): Extension<RequestFacts>,
    _: QueueSlot,
    body: JsonBody,
) -> Result<Response, ApiError> {
    answer(state, facts, body, EmbeddingApi::OpenAi).await
}

/// That of Text Embeddings Inference.
///
/// # Errors
/// As [`embeddings`].
pub async fn embed(
    State(state): State<Arc<ServerState>>,
    Extension(facts): Extension<RequestFacts>,
    _: QueueSlot,
    body: JsonBody,
) -> Result<Response, ApiError> {
    answer(state, facts, body, EmbeddingApi::Tei).await
}

/// What `/openapi.json` says of OpenAI's.
pub fn described() -> Described {
    Described::new("embeddings", "Vectors of texts")
        .asked("EmbeddingRequest", bodies::embeddings)
        .answered::<EmbeddingList<'_>>()
        .refused(&[429])
}

/// What `/openapi.json` says of TEI's.
pub fn tei_described() -> Described {
    Described::new("teiEmbed", "Vectors of texts, as a list of lists")
        .asked("TeiEmbedRequest", bodies::embeddings)
        .answered::<Means>()
        .refused(&[429])
}

/// Answers a request of any of the APIs.
///
/// # Errors
/// As [`embeddings`].
pub async fn answer(
    state: Arc<ServerState>,
    facts: RequestFacts,
    body: JsonBody,
    api: EmbeddingApi,
) -> Result<Response, ApiError> {
    let began = facts.began();
    let asked = {
        let state = Arc::clone(&state);
        body.work(move |body| inputs(&state, body, api)).await?
    };
    let model = state.settings.model_name.clone();
    let Some((inputs, form)) = asked else {
        let nothing = Vectors::new(Embedded::default(), api, model);
        return Ok(nothing.response(began));
    };
    let tokens = inputs.tokens();
    let events = state.queue.submit(inputs).map_err(refused)?;
    let log = GenerationLog::new(facts, tokens, Waits::from_iter([events.wait()]), state);
    let embedded = match embedded(events, log).await {
        Ok(embedded) => embedded,
        Err(error) => return Ok(logged(error.into_response())),
    };
    // Thousands of vectors take a while to write.
    let written = tokio::task::spawn_blocking(move || {
        let vectors = Vectors::new(embedded, api, model).in_form(form);
        vectors.response(began)
    });
    let response = written.await;
    Ok(logged(response.map_err(|_| {
        ApiError::internal("the vectors could not be written; the server's log says more")
    })?))
}

/// What is to be embedded, if anything is. Takes its time.
fn inputs(
    state: &ServerState,
    body: Map<String, Value>,
    api: EmbeddingApi,
) -> Result<Option<(ValidInputs, VectorForm)>, ApiError> {
    let model = state.ready()?;
    let (vocabulary_size, width) = (model.vocabulary_size, model.facts.embedding_length);
    let Some(checked) = check_embeddings(body, api, vocabulary_size, width)? else {
        return Ok(None);
    };
    let form = checked.form;
    let inputs = checked.into_inputs(model.text.as_ref(), model.context_tokens)?;
    Ok(Some((inputs, form)))
}
