//! What the Responses API answers. Field order is that of OpenAI's documents.

use serde::Serialize;
use utoipa::ToSchema;

use super::echo::Echo;
use crate::api::response::TokenEntry;

/// `object: "response"`: a whole answer, or what there is of it at a moment of a stream.
#[derive(Debug, Serialize, ToSchema)]
pub struct Response<'a> {
    /// `resp_` and a random part.
    pub id: &'a str,
    /// Always `response`.
    pub object: &'static str,
    /// Unix time in seconds.
    pub created_at: u64,
    /// `in_progress`, `completed`, `incomplete` or `failed`.
    pub status: Status,
    /// Unix time in seconds, once it is completed.
    pub completed_at: Option<u64>,
    /// Always false: whoever asks waits for the answer.
    pub background: bool,
    /// Why it failed.
    pub error: Option<Failure>,
    /// Why it is incomplete.
    pub incomplete_details: Option<Incomplete>,
    /// The served model's name.
    pub model: &'a str,
    /// Thoughts, text and calls in their order.
    pub output: &'a [Item],
    /// Always null: answers are not kept.
    pub previous_response_id: Option<&'a str>,
    /// Always false: answers are not kept.
    pub store: bool,
    /// Always `disabled`: what does not fit is refused.
    pub truncation: &'static str,
    /// Token counts, once they are known.
    pub usage: Option<Usage>,
    /// What was asked.
    #[serde(flatten)]
    pub echo: &'a Echo,
}

/// How far an answer or an item has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ResponseStatus)]
pub enum Status {
    /// More follows.
    InProgress,
    /// It is whole.
    Completed,
    /// It was cut off.
    Incomplete,
    /// It has no end.
    Failed,
}

/// Why an answer failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResponseFailure)]
pub struct Failure {
    /// Always `server_error`.
    pub code: &'static str,
    /// The public text.
    pub message: String,
}

/// Why an answer is incomplete.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResponseIncomplete)]
pub struct Incomplete {
    /// Always `max_output_tokens`: these are spent, or the context is full.
    pub reason: &'static str,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = ResponseItem)]
pub enum Item {
    /// What the model thought.
    Reasoning {
        /// `rs_` and a random part.
        id: String,
        /// Always empty: thoughts are not summarised.
        #[schema(value_type = Vec<String>)]
        summary: [(); 0],
        /// One part.
        content: Vec<Part>,
        /// How far it has come.
        status: Status,
    },
    /// What the model says.
    Message {
        /// `msg_` and a random part.
        id: String,
        /// How far it has come.
        status: Status,
        /// Always `assistant`.
        role: &'static str,
        /// One part.
        content: Vec<Part>,
    },
    /// A call of a function that was offered.
    FunctionCall {
        /// `fc_` and a random part.
        id: String,
        /// Names the call in the conversation.
        call_id: String,
        /// What is called.
        name: String,
        /// The JSON text of an object.
        arguments: String,
        /// How far it has come.
        status: Status,
    },
}

/// The content of an item.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = ResponsePart)]
pub enum Part {
    /// Of thoughts.
    ReasoningText {
        /// The text.
        text: String,
    },
    /// Of a message.
    OutputText {
        /// The text.
        text: String,
        /// Always empty: nothing is searched, so nothing is cited.
        #[schema(value_type = Vec<String>)]
        annotations: [(); 0],
        /// Of its tokens, where they were asked for.
        logprobs: Vec<TokenEntry>,
    },
}

/// Token counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ResponseUsage)]
pub struct Usage {
    /// Tokens of the rendered conversation.
    pub input_tokens: usize,
    /// What of them was not computed again.
    pub input_tokens_details: InputDetails,
    /// Tokens generated, the end token included.
    pub output_tokens: usize,
    /// What they were for.
    pub output_tokens_details: OutputDetails,
    /// Their sum.
    pub total_tokens: usize,
}

/// Detail of [`Usage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct InputDetails {
    /// Tokens whose keys and values were still there from the request before.
    pub cached_tokens: usize,
    /// Always 0: what is computed is kept by itself, while there is room.
    pub cache_write_tokens: usize,
}

/// Detail of [`Usage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OutputDetails {
    /// Tokens of thoughts, and those that mark them.
    pub reasoning_tokens: usize,
}

/// An event of a stream. Each kind has some of the fields.
#[derive(Debug, Default, Serialize)]
pub struct Event<'a> {
    /// The kind of event, which the line `event:` has too.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// From 0, without gaps.
    pub sequence_number: u64,
    /// The answer so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Response<'a>>,
    /// Which item, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_index: Option<usize>,
    /// The item's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_id: Option<&'a str>,
    /// Which part of its content, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_index: Option<usize>,
    /// The item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<&'a Item>,
    /// The part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<&'a Part>,
    /// What is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<&'a str>,
    /// All of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'a str>,
    /// All arguments of a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<&'a str>,
    /// Logprobs of what is new, or of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<&'a [TokenEntry]>,
}
