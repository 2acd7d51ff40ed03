//! `POST /apply-template`: what a conversation becomes before it is tokenised, as llama.cpp's server
//! shows it. Nothing is generated.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::ApiError;
use crate::routes::body::JsonBody;
use crate::state::ServerState;
use crate::validate::check;

/// The body of a chat request to `{"prompt": TEXT}`: the model's chat template applied to it.
///
/// # Errors
/// 400 for whatever a chat request would be refused for before its tokens are counted, 503 while
/// loading.
pub async fn apply_template(
    State(state): State<Arc<ServerState>>,
    body: JsonBody,
) -> Result<Response, ApiError> {
    body.work(move |body| {
        let model = state.ready()?;
        let checked = check(body, state.settings.defaults, model.vocabulary_size)?;
        let prompt = checked.into_prompt(model.prompt.as_ref())?;
        Ok(Json(json!({"prompt": prompt})).into_response())
    })
    .await
}
