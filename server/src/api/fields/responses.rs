//! Fields of OpenAI's Responses API, where they are not those of a chat.

use super::On::Responses;
use super::Reading::{Honoured, NoEffect, RefusedUnless};
use super::Type::{Bool, Integer, Object, Objects, Schema, Text, Texts};
use super::{Field, row};

/// A text or items.
const INPUT: &str = r#"{"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "object", "properties": {"type": {"enum": ["message", "reasoning", "function_call", "function_call_output"]}}}}]}"#;

/// The rows.
#[rustfmt::skip]
pub(super) const ROWS: &[Field] = &[
    row("input", Responses, Honoured(Schema(INPUT)), "a text, or a list of `message`, `reasoning`, `function_call` and `function_call_output`", r#""a""#),
    row("instructions", Responses, Honoured(Text), "a system message before the input", r#""a""#),
    row("tools", Responses, Honoured(Objects), "functions that the model may call; what others run for their clients (`web_search`, `file_search`, `mcp`, ...) is refused", r#"[{"type": "function", "name": "f"}]"#),
    row("tool_choice", Responses, Honoured(Schema(super::openai::CHOICE)), "`auto`, `none`, `required`, one function, or `allowed_tools`", r#""none""#),
    row("text", Responses, Honoured(Object), "`format` is `response_format`; `verbosity` is handed to the chat template", r#"{"format": {"type": "text"}}"#),
    row("reasoning", Responses, Honoured(Object), "`effort` is handed to the chat template; `summary` changes nothing: thoughts come whole", r#"{"effort": "low"}"#),
    row("metadata", Responses, Honoured(Object), "returned with the answer", r#"{"a": "b"}"#),
    row("include", Responses, Honoured(Texts), "`message.output_text.logprobs`; the other kinds concern what is never in an answer, or is there anyway", r#"["message.output_text.logprobs"]"#),
    row("top_logprobs", Responses, Honoured(Integer), "up to 20 alternatives with each token; above 0 also asks for logprobs", "2"),
    row("stream_options", Responses, Honoured(Object), "`include_obfuscation` is refused; usage is always in the last event", r#"{"include_obfuscation": false}"#),
    row("store", Responses, Honoured(Bool), "nothing is kept, whatever it says; the answer says `store: false`", "true"),
    row("previous_response_id", Responses, RefusedUnless(&[r#""""#]), "answers are not kept; send the conversation in `input`", r#""resp_1""#),
    row("conversation", Responses, RefusedUnless(&[]), "conversations are not kept; send them in `input`", r#""conv_1""#),
    row("background", Responses, RefusedUnless(&["false"]), "answers are not kept until somebody asks for them; use `stream`", "true"),
    row("background_options", Responses, NoEffect, "it belongs to `background`", "{}"),
    row("prompt", Responses, RefusedUnless(&[]), "prompts are not kept; send `instructions` and `input`", r#"{"id": "pmpt_1"}"#),
    row("truncation", Responses, RefusedUnless(&[r#""disabled""#]), "a prompt that does not fit is refused; shorten it", r#""auto""#),
    row("context_management", Responses, RefusedUnless(&["[]"]), "conversations are not compacted", r#"[{"type": "compaction"}]"#),
    row("max_tool_calls", Responses, NoEffect, "it counts calls of tools that the server runs, which runs none", "3"),
    row("image", Responses, NoEffect, "prompts are text", "{}"),
    row("access_programs", Responses, NoEffect, "the model is served as it is", "{}"),
];
