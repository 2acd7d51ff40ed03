//! Fields of OpenAI's API.

use super::On::{Both, Chat, Completions};
use super::Reading::{Honoured, NoEffect, RefusedUnless};
use super::Type::{Bool, Integer, Number, Object, Objects, Schema, Text, TextOrTexts, Texts};
use super::{Field, row};

/// A conversation.
const MESSAGES: &str = r#"{"type": "array", "minItems": 1, "items": {"type": "object", "properties": {"role": {"enum": ["system", "developer", "user", "assistant", "tool"]}, "content": {"type": ["string", "array", "null"], "items": {"type": "object"}}}, "required": ["role"]}}"#;
/// Texts or token ids.
const PROMPT: &str = r#"{"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}, {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}}, {"type": "array", "minItems": 1, "items": {"type": "array", "items": {"type": "integer", "minimum": 0}}}]}"#;
/// A word, or functions.
pub(super) const CHOICE: &str = r#"{"anyOf": [{"enum": ["none", "auto", "required"]}, {"type": "object", "properties": {"type": {"enum": ["function", "allowed_tools"]}}, "required": ["type"]}]}"#;
/// Nothing: there is no sound.
const SWITCH: &str = r#"{"type": "object", "maxProperties": 0}"#;

/// The rows.
#[rustfmt::skip]
pub(super) const ROWS: &[Field] = &[
    row("model", Both, Honoured(Text), "any name; the answer names the served model", r#""m""#),
    row("messages", Chat, Honoured(Schema(MESSAGES)), "the conversation", r#"[{"role": "user", "content": "a"}]"#),
    row("prompt", Completions, Honoured(Schema(PROMPT)), "a text, token ids, or a list of either", r#""a""#),
    row("suffix", Completions, RefusedUnless(&[r#""""#]), "this server only continues texts; it fills no gaps", r#""end""#),
    row("echo", Completions, Honoured(Bool), "the prompt in front of the answer; not with `logprobs`", "true"),
    row("stream", Both, Honoured(Bool), "the answer piece by piece", "true"),
    row("stream_options", Both, Honoured(Object), "`include_usage`, `continuous_usage_stats`", r#"{"include_usage": true}"#),
    row("max_tokens", Both, Honoured(Integer), "most tokens of the answer, up to the server's own `-n`, which holds where nothing is said", "4"),
    row("max_completion_tokens", Both, Honoured(Integer), "the same; counts before `max_tokens`", "4"),
    row("max_output_tokens", Both, Honoured(Integer), "the same by the name of `/v1/responses`", "4"),
    row("n", Both, Honoured(Integer), "answers to each prompt; a seed is one for each", "2"),
    row("best_of", Both, Honoured(Integer), "as many as `n`: none is thrown away", "1"),
    row("temperature", Both, Honoured(Number), "0 to 2; 0 always takes the likeliest token", "0.5"),
    row("top_p", Both, Honoured(Number), "0 to 1", "0.5"),
    row("presence_penalty", Both, Honoured(Number), "-2 to 2", "0.5"),
    row("frequency_penalty", Both, Honoured(Number), "-2 to 2", "0.5"),
    row("logit_bias", Both, Honoured(Object), "token ids with -100 to 100", r#"{"7": 1}"#),
    row("seed", Both, Honoured(Integer), "makes draws repeatable", "3"),
    row("stop", Both, Honoured(TextOrTexts), "up to 16 texts that end the answer", r#"["x"]"#),
    row("logprobs", Chat, Honoured(Bool), "the logprob of each token", "true"),
    row("top_logprobs", Chat, Honoured(Integer), "up to 20 alternatives with it", "2"),
    row("logprobs", Completions, Honoured(Integer), "the logprob of each token with up to 20 alternatives", "2"),
    row("response_format", Both, Honoured(Object), "`text`, `json_object`, `json_schema`, `regex`, `grammar`", r#"{"type": "json_object"}"#),
    row("tools", Chat, Honoured(Objects), "functions that the model may call", r#"[{"type": "function", "function": {"name": "f"}}]"#),
    row("tool_choice", Chat, Honoured(Schema(CHOICE)), "`auto`, `none`, `required`, one function, or `allowed_tools`", r#""none""#),
    row("tools", Completions, RefusedUnless(&["[]"]), "only a chat calls tools", r#"[{"type": "function", "function": {"name": "f"}}]"#),
    row("parallel_tool_calls", Chat, Honoured(Bool), "false: at most one call in an answer", "false"),
    row("functions", Chat, RefusedUnless(&["[]"]), "send its successor, `tools`", r#"[{"name": "f"}]"#),
    row("function_call", Chat, RefusedUnless(&[r#""none""#, r#""auto""#]), "send its successor, `tool_choice`", r#"{"name": "f"}"#),
    row("modalities", Chat, Honoured(Texts), r#"`["text"]`: there are no others here"#, r#"["text"]"#),
    row("audio", Chat, Honoured(Schema(SWITCH)), "refused where it asks for sound", "{}"),
    row("reasoning_effort", Chat, Honoured(Text), "handed to the chat template; `none` also sets `enable_thinking` to false", r#""low""#),
    row("verbosity", Chat, Honoured(Text), "handed to the chat template", r#""low""#),
    row("store", Chat, RefusedUnless(&["false"]), "this server keeps no answers", "true"),
    row("web_search_options", Chat, RefusedUnless(&[]), "this server searches nothing", "{}"),
    row("moderation", Chat, RefusedUnless(&[]), "this server judges no texts", "{}"),
    row("user", Both, NoEffect, "users are not told apart", r#""u""#),
    row("safety_identifier", Chat, NoEffect, "users are not told apart", r#""u""#),
    row("metadata", Chat, NoEffect, "it describes answers that are kept, and none are", r#"{"a": "b"}"#),
    row("service_tier", Chat, NoEffect, "there is one tier", r#""auto""#),
    row("prediction", Chat, NoEffect, "it only makes answers faster; drafts are found without it", r#"{"type": "content", "content": "a"}"#),
    row("prompt_cache_key", Chat, NoEffect, "prompts that begin alike share what is computed, whatever their keys", r#""k""#),
    row("prompt_cache_options", Chat, NoEffect, "the same", "{}"),
    row("prompt_cache_retention", Chat, NoEffect, "what is computed stays while there is room", r#""24h""#),
];
