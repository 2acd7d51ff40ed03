//! What Ollama's API answers. Field order is that of its documents.

use serde::Serialize;
use serde_json::Value;

use crate::api::response::TokenEntry;

/// An answer of `/api/chat` or `/api/generate`, or a piece of one.
#[derive(Debug, Serialize)]
pub struct Answer<'a> {
    /// The served model's name.
    pub model: &'a str,
    /// When it was made, in RFC 3339.
    pub created_at: String,
    /// Text, and what was thought before it.
    #[serde(flatten)]
    pub said: Said<'a>,
    /// Present when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Vec<TokenEntry>>,
    /// Whether nothing follows.
    pub done: bool,
    /// Why, and what it cost.
    #[serde(flatten)]
    pub end: Option<End>,
}

/// Text, where the two endpoints have it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Said<'a> {
    /// `/api/chat`.
    Chat {
        /// What is said.
        message: Message<'a>,
    },
    /// `/api/generate`.
    Generate {
        /// The text.
        response: &'a str,
        /// Thoughts; absent where there are none.
        #[serde(skip_serializing_if = "str::is_empty")]
        thinking: &'a str,
    },
}

/// The assistant's message.
#[derive(Debug, Serialize)]
pub struct Message<'a> {
    /// Always `assistant`.
    pub role: &'static str,
    /// The text.
    pub content: &'a str,
    /// Thoughts; absent where there are none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub thinking: &'a str,
    /// Calls of functions; absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<Call>,
}

/// A call of a function.
#[derive(Debug, Serialize)]
pub struct Call {
    /// Names the call in the conversation.
    pub id: String,
    /// What is called.
    pub function: Called,
}

/// Function and arguments of a call.
#[derive(Debug, Serialize)]
pub struct Called {
    /// One of those that were offered.
    pub name: String,
    /// An object, which OpenAI has as text.
    pub arguments: Value,
}

/// How an answer ended and what it cost. Durations in nanoseconds.
#[derive(Debug, Serialize)]
pub struct End {
    /// `stop`, `length`, or `load` where nothing was asked for.
    pub done_reason: &'static str,
    /// What an answer cost; absent where there is none.
    #[serde(flatten)]
    pub cost: Option<Cost>,
}

/// What an answer cost. Durations in nanoseconds.
#[derive(Debug, Serialize)]
pub struct Cost {
    /// From the request to the last token.
    pub total_duration: u64,
    /// The model was loaded before.
    pub load_duration: u64,
    /// Tokens of the prompt.
    pub prompt_eval_count: usize,
    /// From admission to the first token.
    pub prompt_eval_duration: u64,
    /// Tokens generated, the end token included.
    pub eval_count: usize,
    /// From the first token to the last.
    pub eval_duration: u64,
}

/// An answer of `/api/embed`.
#[derive(Debug, Serialize)]
pub struct Embeddings<'a> {
    /// The served model's name.
    pub model: &'a str,
    /// One for each input.
    pub embeddings: Vec<Vec<f32>>,
    /// From the request to the last vector, in nanoseconds.
    pub total_duration: u64,
    /// The model was loaded before.
    pub load_duration: u64,
    /// Tokens of all inputs.
    pub prompt_eval_count: usize,
}

/// An answer of `/api/embeddings`.
#[derive(Debug, Serialize)]
pub struct OneEmbedding {
    /// The input's; empty where there was none.
    pub embedding: Vec<f32>,
}

/// `GET /api/tags`.
#[derive(Debug, Serialize)]
pub struct Tags {
    /// The one model.
    pub models: [Tag; 1],
}

/// A model.
#[derive(Debug, Serialize)]
pub struct Tag {
    /// The served name.
    pub name: String,
    /// The served name again.
    pub model: String,
    /// When the server started, in RFC 3339.
    pub modified_at: String,
    /// Bytes of all weights.
    pub size: u64,
    /// The model's shape in one word.
    pub digest: String,
    /// What kind of model it is.
    pub details: Details,
}

/// What kind of model it is.
#[derive(Debug, Serialize)]
pub struct Details {
    /// Always empty.
    pub parent_model: &'static str,
    /// Always `gguf`.
    pub format: &'static str,
    /// Architecture.
    pub family: String,
    /// The same.
    pub families: [String; 1],
    /// For example `1.5B`.
    pub parameter_size: String,
    /// For example `Q4_0`.
    pub quantization_level: String,
}

/// `POST /api/show`.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// What kind of model it is.
    pub details: Details,
    /// Facts under the names of the file's keys.
    pub model_info: Value,
    /// `completion`, `tools`, and `thinking` where the model's template has thoughts.
    pub capabilities: Vec<&'static str>,
    /// When the server started, in RFC 3339.
    pub modified_at: String,
}
