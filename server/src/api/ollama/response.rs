//! What Ollama's API answers. Field order is that of its documents.

use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{ArrayBuilder, Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

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
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OllamaMessage)]
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
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OllamaCall)]
pub struct Call {
    /// Names the call in the conversation.
    pub id: String,
    /// What is called.
    pub function: Called,
}

/// Function and arguments of a call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OllamaCalled)]
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
#[derive(Debug, Serialize, ToSchema)]
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
#[derive(Debug, Serialize, ToSchema)]
pub struct OneEmbedding {
    /// The input's; empty where there was none.
    pub embedding: Vec<f32>,
}

/// `GET /api/tags`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tags {
    /// The one model.
    pub models: [Tag; 1],
}

/// A model.
#[derive(Debug, Serialize, ToSchema)]
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
#[derive(Debug, Serialize, ToSchema)]
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
#[derive(Debug, Serialize, ToSchema)]
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

/// What every failure is told with.
#[derive(Debug, Serialize, ToSchema)]
pub struct OllamaError<'a> {
    /// What is wrong, and what to do.
    pub error: &'a str,
}

/// Of the fields that only some answers have, each is there or not.
impl PartialSchema for Answer<'_> {
    fn schema() -> RefOr<Schema> {
        let one = |kind: Type| Schema::from(ObjectBuilder::new().schema_type(kind).build());
        let mut object = ObjectBuilder::new()
            .schema_type(SchemaType::from(Type::Object))
            .property("model", one(Type::String))
            .property("created_at", one(Type::String))
            .property("message", Ref::from_schema_name(Message::name()))
            .property("response", one(Type::String))
            .property("thinking", one(Type::String))
            .property(
                "logprobs",
                ArrayBuilder::new().items(Ref::from_schema_name(TokenEntry::name())),
            )
            .property("done", one(Type::Boolean))
            .property("done_reason", one(Type::String));
        for count in [
            "total_duration",
            "load_duration",
            "prompt_eval_count",
            "prompt_eval_duration",
            "eval_count",
            "eval_duration",
        ] {
            object = object.property(count, one(Type::Integer));
        }
        for always in ["model", "created_at", "done"] {
            object = object.required(always);
        }
        Schema::from(object.build()).into()
    }
}

impl ToSchema for Answer<'_> {
    fn name() -> std::borrow::Cow<'static, str> {
        "OllamaAnswer".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        for (name, schema) in [
            (Message::name(), Message::schema()),
            (TokenEntry::name(), TokenEntry::schema()),
        ] {
            schemas.push((name.into_owned(), schema));
        }
        Message::schemas(schemas);
        TokenEntry::schemas(schemas);
    }
}
