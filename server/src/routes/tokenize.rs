//! `POST /tokenize` and `/detokenize`, as llama-server and vLLM have them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use crate::api::take::Fields;
use crate::error::ApiError;
use crate::prompt::text::{Reading, TextEncoder};
use crate::routes::body::JsonBody;
use crate::state::ServerState;
use crate::validate::{check, valid_ids};

/// Most tokens that a request is answered with or has: many contexts, and some megabytes.
const MOST_TOKENS: usize = 1 << 18;

/// The tokens of a text (`content`, as llama-server reads it: control tokens, but nothing in front; or
/// `prompt`, as vLLM and `/v1/completions` do), or of a conversation (`messages`).
///
/// # Errors
/// 400 for the request, 503 while loading.
pub async fn tokenize(
    State(state): State<Arc<ServerState>>,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    body.work(move |body| tokens(&state, body).map(Json)).await
}

fn tokens(state: &ServerState, body: Map<String, Value>) -> Result<Value, ApiError> {
    let model = state.ready()?;
    let mut fields = Fields::new(body.clone());
    let content: Option<String> = fields.take("content")?;
    let prompt: Option<String> = fields.take("prompt")?;
    let add_special = fields.flag("add_special")?;
    let add_special_tokens = fields.take("add_special_tokens")?.unwrap_or(true);
    let parse_special = fields.take("parse_special")?;
    let with_pieces = fields.flag("with_pieces")?;
    let token_texts = fields.flag("return_token_strs")?;
    let read = |field: &str, text: &str, begins: bool| {
        let reading = Reading {
            begins,
            reads_specials: parse_special.unwrap_or(true),
        };
        let tokens = model.text.encode(text, reading, MOST_TOKENS);
        tokens.map_err(|error| too_many(field, error.at_least))
    };
    let tokens = match (content, prompt, body.contains_key("messages")) {
        (Some(text), None, false) => read("content", &text, add_special)?,
        (None, Some(text), false) => read("prompt", &text, add_special_tokens)?,
        (None, None, true) => {
            let checked = check(body, state.settings.defaults, model.vocabulary_size)?;
            checked.into_tokens(model.prompt.as_ref(), MOST_TOKENS)?
        }
        _ => {
            let message = "send one of content, prompt or messages";
            return Err(ApiError::invalid_param("content", message));
        }
    };
    let text = model.text.as_ref();
    let list: Vec<Value> = match with_pieces {
        true => tokens.iter().map(|token| piece(text, *token)).collect(),
        false => tokens.iter().map(|token| json!(token)).collect(),
    };
    let mut answer = json!({
        "tokens": list,
        "count": tokens.len(),
        "max_model_len": model.context_tokens,
    });
    if token_texts {
        let shown = |token: &u32| String::from_utf8_lossy(&text.piece(*token)).into_owned();
        answer["token_strs"] = tokens.iter().map(shown).collect();
    }
    Ok(answer)
}

fn too_many(field: &str, at_least: usize) -> ApiError {
    let message = format!(
        "{field} has at least {at_least} tokens; send it in parts of at most {MOST_TOKENS}"
    );
    ApiError::invalid_param(field, message)
}

/// A token with its text, or with its bytes where they are no text.
fn piece(text: &dyn TextEncoder, token: u32) -> Value {
    match String::from_utf8(text.piece(token)) {
        Ok(text) => json!({"id": token, "piece": text}),
        Err(bytes) => json!({"id": token, "piece": bytes.as_bytes()}),
    }
}

/// The text of `tokens`, under both servers' names.
///
/// # Errors
/// 400 for what are no tokens, 503 while loading.
pub async fn detokenize(
    State(state): State<Arc<ServerState>>,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    body.work(move |body| {
        let model = state.ready()?;
        let ids: Option<Vec<i64>> = Fields::new(body).take("tokens")?;
        let ids = ids.ok_or_else(|| {
            ApiError::invalid_param("tokens", "tokens is missing; send a list of token ids")
        })?;
        if ids.len() > MOST_TOKENS {
            return Err(too_many("tokens", ids.len()));
        }
        let ids = valid_ids("tokens", &ids, model.vocabulary_size)?;
        let text = model.text.decode(&ids);
        Ok(Json(json!({"content": text, "prompt": text})))
    })
    .await
}
