//! `POST /apply-template`: what a conversation becomes before it is tokenised, as llama.cpp's server
//! shows it. Nothing is generated.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::routes::body::JsonObject;
use crate::state::ServerState;
use crate::validate::check;

/// The body of a chat request to `{"prompt": TEXT}`: the model's chat template applied to it.
///
/// # Errors
/// 400 for whatever a chat request would be refused for before its tokens are counted, 503 while
/// loading.
pub async fn apply_template(
    State(state): State<Arc<ServerState>>,
    JsonObject(body, leave): JsonObject,
) -> Result<Json<Value>, ApiError> {
    let model = state.ready()?;
    let checked = check(body, state.settings.defaults, model.vocabulary_size)?;
    let encoder = Arc::clone(&model.prompt);
    let render = move || {
        let _leave = leave;
        checked.into_prompt(encoder.as_ref())
    };
    let failed =
        |_| ApiError::internal("the prompt could not be rendered; the server's log says more");
    let prompt = tokio::task::spawn_blocking(render)
        .await
        .map_err(failed)??;
    Ok(Json(json!({"prompt": prompt})))
}
