//! `GET /v1/models` and `/v1/models/{id}`: the one model.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};

use crate::api::response::{ModelCard, ModelList};
use crate::error::ApiError;
use crate::openapi::Described;
use crate::state::ServerState;

/// All models, which is one.
///
/// # Errors
/// 503 while it is being loaded.
pub async fn list(State(state): State<Arc<ServerState>>) -> Result<Json<ModelList>, ApiError> {
    Ok(Json(ModelList {
        object: "list",
        data: [card(&state)?],
    }))
}

/// What `/openapi.json` says of it.
pub fn list_described() -> Described {
    Described::new("models", "All models, which is one").answered::<ModelList>()
}

/// One model by its name, which may hold slashes.
///
/// # Errors
/// 404 for other names, 400 for what is none, 503 while loading.
pub async fn one(
    State(state): State<Arc<ServerState>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<ModelCard>, ApiError> {
    let card = card(&state)?;
    let Path(id) = name.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    if id == card.id {
        Ok(Json(card))
    } else {
        Err(ApiError::model_not_found(&id, &card.id))
    }
}

/// What `/openapi.json` says of it.
pub fn one_described() -> Described {
    Described::new("model", "One model by its name")
        .answered::<ModelCard>()
        .named("id", "A name that /v1/models lists")
}

fn card(state: &ServerState) -> Result<ModelCard, ApiError> {
    let model = state.ready()?;
    let name = &state.settings.model_name;
    Ok(ModelCard {
        id: name.clone(),
        object: "model",
        created: state.settings.created,
        owned_by: "sysinfer",
        root: name.clone(),
        max_model_len: model.context_tokens,
    })
}
