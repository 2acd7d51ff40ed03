//! `GET /api/tags`, `POST /api/show`, `GET /api/version`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::api::ollama::response::{Details, Shown, Tag, Tags};
use crate::api::take::Fields;
use crate::error::ApiError;
use crate::openapi::Described;
use crate::routes::body::UndeclaredBody;
use crate::state::{ModelFacts, ServerState};

/// All models, which is one.
///
/// # Errors
/// 503 while it is being loaded.
pub async fn tags(State(state): State<Arc<ServerState>>) -> Result<Json<Tags>, ApiError> {
    let facts = &state.ready()?.facts;
    let name = &state.settings.model_name;
    Ok(Json(Tags {
        models: [Tag {
            name: name.clone(),
            model: name.clone(),
            modified_at: started(&state),
            size: facts.weight_bytes,
            digest: facts.fingerprint.clone(),
            details: details(facts),
        }],
    }))
}

/// One model by its name.
///
/// # Errors
/// 404 for other names, 400 without one, 503 while loading.
pub async fn show(
    State(state): State<Arc<ServerState>>,
    UndeclaredBody(body): UndeclaredBody,
) -> Result<Json<Shown>, ApiError> {
    body.work(move |body| {
        let ready = state.ready()?;
        let facts = &ready.facts;
        let name = Fields::new(body).first::<String>(&["model", "name"])?.value;
        let name = name.ok_or_else(|| ApiError::invalid_param("model", "model is missing"))?;
        let served = &state.settings.model_name;
        // Ollama's clients may add the tag that stands for none.
        if name != *served && name.strip_suffix(":latest") != Some(served) {
            return Err(ApiError::model_not_found(&name, served));
        }
        let architecture = &facts.architecture;
        Ok(Json(Shown {
            details: details(facts),
            model_info: json!({
                "general.architecture": architecture,
                "general.parameter_count": facts.parameters,
                (format!("{architecture}.context_length")): facts.context_length,
                (format!("{architecture}.embedding_length")): facts.embedding_length,
            }),
            capabilities: capabilities(ready.prompt.format().thinks),
            modified_at: started(&state),
        }))
    })
    .await
}

/// Which server this is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Version {
    /// Of sysInfer.
    pub version: &'static str,
}

/// The version of this server.
pub async fn version() -> Json<Version> {
    Json(Version {
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// What `/openapi.json` says of `/api/tags`.
pub fn tags_described() -> Described {
    Described::new("ollamaTags", "All models, which is one")
        .answered::<Tags>()
        .of_ollama()
}

/// What `/openapi.json` says of `/api/show`.
pub fn show_described() -> Described {
    let schema = || {
        let name = json!({"type": ["string", "null"]});
        json!({"type": "object", "properties": {"model": name, "name": name}})
    };
    Described::new("ollamaShow", "One model by its name")
        .asked("OllamaShowRequest", schema)
        .answered::<Shown>()
        .refused(&[404])
        .of_ollama()
}

/// What `/openapi.json` says of `/api/version`.
pub fn version_described() -> Described {
    Described::new("ollamaVersion", "The version of this server")
        .answered::<Version>()
        .never(&[503])
        .of_ollama()
}

fn started(state: &ServerState) -> String {
    let seconds = i64::try_from(state.settings.created).unwrap_or(0);
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    time.to_string()
}

fn details(facts: &ModelFacts) -> Details {
    Details {
        parent_model: "",
        format: "gguf",
        family: facts.architecture.clone(),
        families: [facts.architecture.clone()],
        parameter_size: size(facts.parameters),
        quantization_level: facts.quantisation.clone(),
    }
}

/// What is done with a model here.
fn capabilities(thinks: bool) -> Vec<&'static str> {
    let thinking = thinks.then_some("thinking");
    ["completion", "tools"]
        .into_iter()
        .chain(thinking)
        .collect()
}

/// A number of weights as models are named by it.
fn size(parameters: u64) -> String {
    match parameters as f64 {
        count if count >= 1e9 => format!("{:.1}B", count / 1e9),
        count if count >= 1e6 => format!("{:.1}M", count / 1e6),
        count => format!("{:.1}K", count / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_names() {
        let cases = [
            (7_241_732_096, "7.2B"),
            (134_515_008, "134.5M"),
            (5_000, "5.0K"),
        ];
        for (parameters, wanted) in cases {
            assert_eq!(size(parameters), wanted);
        }
    }
}
