//! `POST /apply-template`: what a conversation becomes before it is tokenised, as llama.cpp's server
//! shows it. Nothing is generated.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::openapi::{Described, bodies};
use crate::routes::body::JsonBody;
use crate::state::ServerState;
use crate::validate::check;

/// A conversation as the model reads it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Prompt {
    /// What the chat template made of it.
    pub prompt: String,
}

/// The body of a chat request to `{"prompt": TEXT}`: the model's chat template applied to it.
///
/// # Errors
/// 400 for whatever a chat request would be refused for before its tokens are counted, 503 while
/// loading.
pub async fn apply_template(
    State(state): State<Arc<ServerState>>,
    body: JsonBody,
) -> Result<Json<Prompt>, ApiError> {
    body.work(move |body| {
        let model = state.ready()?;
        let checked = check(body, state.settings.defaults, model.vocabulary_size)?;
        let prompt = checked.into_prompt(model.prompt.as_ref())?;
        Ok(Json(Prompt { prompt }))
    })
    .await
}

/// What `/openapi.json` says of it.
pub fn described() -> Described {
    Described::new("applyTemplate", "The prompt of a conversation")
        .asked("ChatRequest", bodies::chat)
        .answered::<Prompt>()
}
