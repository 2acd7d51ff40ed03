//! What all requests for answers have in common: from a body to jobs, from jobs to a response.

use std::sync::Arc;
use std::time::Instant;

use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::ApiError;
use crate::observe::{GenerationLog, LoggedElsewhere, RequestFacts};
use crate::render::Renderer;
use crate::render::gather::gather;
use crate::render::stream;
use crate::routes::body::JsonBody;
use crate::scheduler::{Choices, Refusal, ValidJob};
use crate::state::ServerState;
use crate::validate::Delivery;

/// What is to be generated for a request, how it is wanted and what becomes of it.
pub struct Encoded<R> {
    /// A job for each answer, those to one prompt behind each other.
    pub jobs: Vec<ValidJob>,
    /// How they are wanted.
    pub delivery: Delivery,
    /// Writes them as the endpoint's API has them.
    pub renderer: R,
}

/// How an endpoint reads a body. Takes its time.
pub type Encode<R> = fn(&ServerState, Map<String, Value>) -> Result<Encoded<R>, ApiError>;

/// A seed for draws that are not to be repeated.
pub fn fresh_seed() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}

impl<R> Encoded<R> {
    /// The same for an API that has one answer to a request.
    ///
    /// # Errors
    /// 400 where there are more.
    pub fn single(self) -> Result<Self, ApiError> {
        match self.jobs.len() {
            1 => Ok(self),
            _ => {
                let message =
                    "n must be 1: this API has one answer to a request; use /v1/chat/completions";
                Err(ApiError::unsupported("n", message))
            }
        }
    }
}

/// Answers a request whose body is `body`, whole or piece by piece.
///
/// Everything that the client can have wrong is found before the response begins; a stream's
/// headers leave before the prompt is computed.
///
/// # Errors
/// Those of the body and of `encode`, and of [`generate`].
pub async fn answer<R: Renderer>(
    state: &Arc<ServerState>,
    facts: RequestFacts,
    body: JsonBody,
    encode: Encode<R>,
) -> Result<Response, ApiError> {
    let encoded = {
        let state = Arc::clone(state);
        body.work(move |body| encode(&state, body)).await?
    };
    generate(state, facts, encoded).await
}

/// Queues the jobs of a request, all or none, and answers it with what comes of them.
///
/// # Errors
/// 400 where so many can never wait, 429 when the queue is full, 500 when the engine fails at a whole answer, 503
/// when the server is stopping.
pub async fn generate<R: Renderer>(
    state: &Arc<ServerState>,
    facts: RequestFacts,
    encoded: Encoded<R>,
) -> Result<Response, ApiError> {
    let Encoded {
        jobs,
        delivery: Delivery {
            stream, per_prompt, ..
        },
        renderer,
    } = encoded;
    let prompts = jobs.iter().step_by(per_prompt.max(1));
    let prompt_tokens = prompts.map(|job| job.prompt().len()).sum();
    let choices = queued(state, jobs, facts.began())?;
    let log = GenerationLog::new(facts, prompt_tokens, choices.waits(), Arc::clone(state));
    let response = match stream {
        true => {
            let format = renderer.stream(prompt_tokens, choices.count());
            stream::answer(format, choices, per_prompt, log)
        }
        false => {
            let gathered = gather(choices, per_prompt, log).await;
            gathered.map_or_else(IntoResponse::into_response, |all| renderer.whole(all))
        }
    };
    Ok(logged(response))
}

/// Marks a response whose line is written when its jobs have ended.
pub(super) fn logged(mut response: Response) -> Response {
    response.extensions_mut().insert(LoggedElsewhere);
    response
}

/// What a client is told whose jobs were not queued.
pub(super) fn refused(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Full { limit } => ApiError::queue_full(limit),
        Refusal::Closed => ApiError::unavailable("the server is stopping"),
    }
}

fn queued(state: &ServerState, jobs: Vec<ValidJob>, began: Instant) -> Result<Choices, ApiError> {
    let (count, limit) = (jobs.len(), state.queue.limit());
    if count > limit {
        return Err(ApiError::invalid(format!(
            "this request asks for {count} answers, and {limit} may wait here; ask for fewer at once"
        )));
    }
    Ok(state.queue.submit_all(jobs, began).map_err(refused)?.into())
}
