//! What an answer repeats of its request.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use crate::error::ApiError;

/// Most bytes of what is repeated. It stays in memory until the answer is complete, for every request that waits.
const MOST_BYTES: usize = 1 << 20;

/// Fields of a request as its answer has them, with what holds where nothing was sent. Kept as text: as values
/// they would take many times as much memory.
#[derive(Debug, Serialize, ToSchema)]
pub struct Echo {
    /// Instructions that came before the input.
    #[schema(value_type = Option<String>)]
    pub instructions: Box<RawValue>,
    /// Most tokens of the answer, if that was said.
    #[schema(value_type = Option<i64>)]
    pub max_output_tokens: Box<RawValue>,
    /// Texts by their names, for the client's use.
    #[schema(value_type = Object)]
    pub metadata: Box<RawValue>,
    /// Whether an answer may have more than one call.
    #[schema(value_type = bool)]
    pub parallel_tool_calls: Box<RawValue>,
    /// How much is thought.
    #[schema(value_type = Object)]
    pub reasoning: Box<RawValue>,
    /// From 0 to 2.
    #[schema(value_type = f64)]
    pub temperature: Box<RawValue>,
    /// The form of the answer.
    #[schema(value_type = Object)]
    pub text: Box<RawValue>,
    /// Whether functions are called.
    #[schema(value_type = Value)]
    pub tool_choice: Box<RawValue>,
    /// Functions that may be called.
    #[schema(value_type = Vec<Value>)]
    pub tools: Box<RawValue>,
    /// Alternatives with each token's logprob.
    #[schema(value_type = i64)]
    pub top_logprobs: Box<RawValue>,
    /// From 0 to 1.
    #[schema(value_type = f64)]
    pub top_p: Box<RawValue>,
}

/// A field as text.
pub(super) fn raw(value: &Value) -> Box<RawValue> {
    // Values always are JSON.
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

impl Echo {
    /// Refuses what would take too much memory.
    pub(super) fn checked(self) -> Result<Self, ApiError> {
        let kept = [
            &self.instructions,
            &self.metadata,
            &self.reasoning,
            &self.text,
            &self.tool_choice,
            &self.tools,
        ];
        let bytes: usize = kept.iter().map(|field| field.get().len()).sum();
        match bytes > MOST_BYTES {
            true => Err(ApiError::invalid(format!(
                "instructions, tools, text and metadata are returned with the answer, and have {bytes} bytes; at most {MOST_BYTES} are allowed, move the rest to input"
            ))),
            false => Ok(self),
        }
    }
}
