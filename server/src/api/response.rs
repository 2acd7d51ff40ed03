//! What OpenAI's API answers: completions, chunks, models. Field order is that of OpenAI's documents.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// `object: "chat.completion"`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatCompletion<'a> {
    /// `chatcmpl-` and a random part.
    pub id: &'a str,
    /// Always `chat.completion`.
    pub object: &'static str,
    /// Unix time in seconds.
    pub created: u64,
    /// The served model's name.
    pub model: &'a str,
    /// One for each answer.
    pub choices: Vec<Choice>,
    /// Token counts.
    pub usage: Usage,
}

/// A whole answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Choice {
    /// From 0.
    pub index: usize,
    /// The answer.
    pub message: AnswerMessage,
    /// Present when asked for.
    pub logprobs: Option<Logprobs>,
    /// `stop`, `length` or `tool_calls`.
    pub finish_reason: &'static str,
}

/// The assistant's message.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnswerMessage {
    /// Always `assistant`.
    pub role: &'static str,
    /// The text; null where there are calls and nothing else.
    pub content: Option<String>,
    /// What the model thought before it; absent if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Calls of the functions that were offered; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
}

/// A call of a function.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolCall {
    /// Names the call in the conversation.
    pub id: String,
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What is called.
    pub function: FunctionCall,
}

/// Function and arguments of a call.
#[derive(Debug, Serialize, ToSchema)]
pub struct FunctionCall {
    /// One of those that were offered.
    pub name: String,
    /// The JSON text of an object.
    pub arguments: String,
}

/// `object: "chat.completion.chunk"`.
#[derive(Debug, Serialize)]
pub struct Chunk<'a> {
    /// The same in each chunk of an answer.
    pub id: &'a str,
    /// Always `chat.completion.chunk`.
    pub object: &'static str,
    /// The same in each chunk of an answer.
    pub created: u64,
    /// The served model's name.
    pub model: &'a str,
    /// One, or none in the usage chunk.
    pub choices: Vec<ChunkChoice<'a>>,
    /// Absent unless asked for; then null in all chunks but the last, or the counts so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
}

/// A piece of an answer.
#[derive(Debug, Default, Serialize)]
pub struct ChunkChoice<'a> {
    /// Which answer, from 0.
    pub index: usize,
    /// What is new.
    pub delta: Delta<'a>,
    /// Present when asked for.
    pub logprobs: Option<Logprobs>,
    /// Null but in the last piece.
    pub finish_reason: Option<&'static str>,
}

/// What a piece adds. A key stands only where something was added: clients take even an empty
/// `reasoning_content` as the start of thinking.
#[derive(Debug, Default, Serialize)]
pub struct Delta<'a> {
    /// In the first chunk only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// New text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<&'a str>,
    /// New thoughts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<&'a str>,
    /// A call that begins, or more of its arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<[ToolCallDelta<'a>; 1]>,
}

/// A piece of a call. The first one has id, type and name, and those after it arguments.
#[derive(Debug, Serialize)]
pub struct ToolCallDelta<'a> {
    /// Its number in the answer, from 0.
    pub index: usize,
    /// Names the call in the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// `function`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// What is new of it.
    pub function: FunctionDelta<'a>,
}

/// A piece of [`FunctionCall`].
#[derive(Debug, Serialize)]
pub struct FunctionDelta<'a> {
    /// In the first piece only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// More of the JSON text.
    pub arguments: &'a str,
}

/// `object: "text_completion"`: a whole answer, or a piece of one.
#[derive(Debug, Serialize, ToSchema)]
pub struct TextCompletion<'a> {
    /// `cmpl-` and a random part; the same in each piece of an answer.
    pub id: &'a str,
    /// Always `text_completion`.
    pub object: &'static str,
    /// The same in each piece of an answer.
    pub created: u64,
    /// The served model's name.
    pub model: &'a str,
    /// One for each answer; of a piece one, or none in the usage chunk.
    pub choices: Vec<TextChoice>,
    /// As in [`Chunk`]; always there in a whole answer.
    #[schema(value_type = Option<Usage>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
}

/// A continued text, or a piece of it.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct TextChoice {
    /// Which answer, from 0; those to one prompt follow each other.
    pub index: usize,
    /// The text.
    pub text: String,
    /// Present when asked for.
    pub logprobs: Option<TextLogprobs>,
    /// `stop` or `length`; null but in the last piece.
    pub finish_reason: Option<&'static str>,
}

/// Logprobs of the tokens of a continued text: an entry per token in each list.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct TextLogprobs {
    /// Characters of the answer before the token.
    pub text_offset: Vec<usize>,
    /// Natural logarithms of their probabilities.
    pub token_logprobs: Vec<f32>,
    /// Their texts, lossily where they are part of a character.
    pub tokens: Vec<String>,
    /// The most likely tokens at their places with their logprobs, and the token itself.
    pub top_logprobs: Vec<Value>,
}

/// Token counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Usage {
    /// Tokens of the rendered conversation.
    pub prompt_tokens: usize,
    /// Tokens generated, the end token included.
    pub completion_tokens: usize,
    /// Their sum.
    pub total_tokens: usize,
    /// What of the prompt was not computed again; absent until that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_details: Option<PromptTokensDetails>,
}

/// Detail of [`Usage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PromptTokensDetails {
    /// Tokens whose keys and values were still there from the request before.
    pub cached_tokens: usize,
}

/// Logprobs of the tokens of a piece.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Logprobs {
    /// One entry per token.
    pub content: Vec<TokenEntry>,
}

/// One token with its alternatives.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TokenEntry {
    /// The token itself.
    #[serde(flatten)]
    pub token: TokenLogprob,
    /// The most likely tokens at its place.
    pub top_logprobs: Vec<TokenLogprob>,
}

/// A token as text, and how likely it was.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TokenLogprob {
    /// Its text, lossily where it is part of a character.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f32,
    /// Its text exactly.
    pub bytes: Vec<u8>,
}

/// `GET /v1/models`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelList {
    /// Always `list`.
    pub object: &'static str,
    /// The one model.
    pub data: [ModelCard; 1],
}

/// `GET /v1/models/{id}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelCard {
    /// The served name.
    pub id: String,
    /// Always `model`.
    pub object: &'static str,
    /// Unix time in seconds when the server started.
    pub created: u64,
    /// Always `sysinfer`.
    pub owned_by: &'static str,
    /// The served name again, as routers expect.
    pub root: String,
    /// Tokens that prompt and answer may have together.
    pub max_model_len: usize,
}
