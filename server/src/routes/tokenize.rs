//! `POST /tokenize` and `/detokenize`, as llama-server and vLLM have them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::api::take::Fields;
use crate::error::ApiError;
use crate::openapi::Described;
use crate::prompt::text::{Reading, TextEncoder};
use crate::routes::body::JsonBody;
use crate::state::ServerState;
use crate::validate::{check, valid_ids};

/// Most tokens that a request is answered with or has: many contexts, and some megabytes.
const MOST_TOKENS: usize = 1 << 18;

/// The tokens of a text.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tokens {
    /// Their ids, or `id` and `piece` of each.
    pub tokens: Vec<Value>,
    /// How many they are.
    pub count: usize,
    /// How many prompt and answer may have together.
    pub max_model_len: usize,
    /// Their texts, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_strs: Option<Vec<String>>,
}

/// The text of tokens, under both servers' names.
#[derive(Debug, Serialize, ToSchema)]
pub struct Text {
    /// llama-server's.
    pub content: String,
    /// vLLM's.
    pub prompt: String,
}

/// The tokens of a text (`content`, as llama-server reads it: control tokens, but nothing in front; or
/// `prompt`, as vLLM and `/v1/completions` do), or of a conversation (`messages`).
///
/// # Errors
/// 400 for the request, 503 while loading.
pub async fn tokenize(
    State(state): State<Arc<ServerState>>,
    body: JsonBody,
) -> Result<Json<Tokens>, ApiError> {
    body.work(move |body| tokens(&state, body).map(Json)).await
}

/// What `/openapi.json` says of it.
pub fn described() -> Described {
    let schema = || {
        json!({"type": "object", "properties": {
            "content": {"type": ["string", "null"]},
            "prompt": {"type": ["string", "null"]},
            "messages": {"type": ["array", "null"], "items": {"type": "object"}},
            "add_special": {"type": ["boolean", "null"]},
            "add_special_tokens": {"type": ["boolean", "null"]},
            "parse_special": {"type": ["boolean", "null"]},
            "with_pieces": {"type": ["boolean", "null"]},
            "return_token_strs": {"type": ["boolean", "null"]},
        }})
    };
    Described::new("tokenize", "The tokens of a text or of a conversation")
        .asked("TokenizeRequest", schema)
        .answered::<Tokens>()
}

/// What `/openapi.json` says of the other way.
pub fn back_described() -> Described {
    let schema = || {
        let tokens = json!({"type": "array", "items": {"type": "integer"}});
        json!({"type": "object", "properties": {"tokens": tokens}, "required": ["tokens"]})
    };
    Described::new("detokenize", "The text of tokens")
        .asked("DetokenizeRequest", schema)
        .answered::<Text>()
}

fn tokens(state: &ServerState, body: Map<String, Value>) -> Result<Tokens, ApiError> {
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
    let shown = |token: &u32| String::from_utf8_lossy(&text.piece(*token)).into_owned();
    Ok(Tokens {
        tokens: list,
        count: tokens.len(),
        max_model_len: model.context_tokens,
        token_strs: token_texts.then(|| tokens.iter().map(shown).collect()),
    })
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
) -> Result<Json<Text>, ApiError> {
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
        let content = model.text.decode(&ids);
        let prompt = content.clone();
        Ok(Json(Text { content, prompt }))
    })
    .await
}
