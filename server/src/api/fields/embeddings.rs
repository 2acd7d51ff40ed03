//! Fields of requests for embeddings, in every API that has them.

use super::On::Embeddings;
use super::Reading::{Honoured, NoEffect, RefusedUnless};
use super::Type::{Bool, Integer, Schema, Text};
use super::{Field, row};

/// A text, token ids, or a list of either.
const INPUT: &str = r#"{"anyOf": [{"type": "string"}, {"type": "array", "maxItems": 2048, "items": {"type": "string"}}, {"type": "array", "items": {"type": "integer"}}, {"type": "array", "maxItems": 2048, "items": {"type": "array", "items": {"type": "integer"}}}]}"#;

/// The rows.
#[rustfmt::skip]
pub(super) const ROWS: &[Field] = &[
    row("model", Embeddings, Honoured(Text), "any name; the answer names the served model", r#""m""#),
    row("input", Embeddings, Honoured(Schema(INPUT)), "a text, token ids of this model, or a list of either, up to 2,048 of them; control tokens in texts are read", r#""a""#),
    row("inputs", Embeddings, Honoured(Schema(INPUT)), "`input` by TEI's name", r#""a""#),
    row("prompt", Embeddings, Honoured(Schema(INPUT)), "`input` by Ollama's old name", r#""a""#),
    row("encoding_format", Embeddings, Honoured(Schema(r#"{"enum": ["float", "base64"]}"#)), "`float`, or `base64`: of f32 in little-endian order; with OpenAI's API only", r#""base64""#),
    row("dimensions", Embeddings, Honoured(Integer), "the width of the model, and no other: vectors are not cut", "3"),
    row("normalize", Embeddings, Honoured(Bool), "false leaves vectors as they are; else they have length 1, but for `/api/embeddings`", "false"),
    row("use_activation", Embeddings, Honoured(Bool), "`normalize` by vLLM's name", "false"),
    row("embd_normalize", Embeddings, Honoured(Schema(r#"{"enum": [2, -1]}"#)), "the same by llama-server's: 2 is true, -1 is false", "-1"),
    row("truncate", Embeddings, Honoured(Bool), "true cuts inputs that do not fit at their end, as `/api/embed` does unless it is false; else they are refused", "true"),
    row("add_special_tokens", Embeddings, Honoured(Bool), "false leaves out the token that begins a text", "false"),
    row("truncation_direction", Embeddings, RefusedUnless(&[r#""right""#, r#""Right""#]), "inputs are cut at their end", r#""Left""#),
    row("truncation_side", Embeddings, RefusedUnless(&[r#""right""#]), "inputs are cut at their end", r#""left""#),
    row("truncate_prompt_tokens", Embeddings, RefusedUnless(&[]), "send `truncate`, or shorten inputs", "100"),
    row("messages", Embeddings, RefusedUnless(&["[]"]), "send texts as `input`; /apply-template makes one of a conversation", r#"[{"role": "user", "content": "a"}]"#),
    row("prompt_name", Embeddings, RefusedUnless(&[r#""""#]), "there are no named prompts; write what is to be in front into the input", r#""query""#),
    row("embed_dtype", Embeddings, RefusedUnless(&[r#""float32""#]), "vectors are f32", r#""float16""#),
    row("endianness", Embeddings, RefusedUnless(&[r#""little""#, r#""native""#]), "base64 is little-endian", r#""big""#),
    row("padding", Embeddings, RefusedUnless(&[r#""do_not_pad""#, "false"]), "nothing is added to inputs", r#""max_length""#),
    row("user", Embeddings, NoEffect, "users are not told apart", r#""u""#),
    row("input_type", Embeddings, NoEffect, "questions and documents are embedded alike", r#""query""#),
    row("options", Embeddings, NoEffect, "they say how answers are drawn, and how a server runs", r#"{"num_ctx": 1}"#),
    row("keep_alive", Embeddings, NoEffect, "the model stays loaded", r#""5m""#),
    row("cache_salt", Embeddings, NoEffect, "embeddings share nothing that is computed", r#""x""#),
    row("mm_processor_kwargs", Embeddings, NoEffect, "inputs are text", "{}"),
    row("priority", Embeddings, NoEffect, "requests are answered in the order in which they come", "1"),
    row("request_id", Embeddings, NoEffect, "the header `x-request-id` names a request", r#""r""#),
];
