//! What Ollama's endpoints have beside `model`, `messages`, `prompt`, `stream`, `format` and `suffix`.

use super::On::{Both, Ollama};
use super::Reading::{Honoured, NoEffect, RefusedUnless};
use super::Type::{Bool, Object, Schema, Text};
use super::{Field, row};

/// A switch or an effort.
const THINK: &str = r#"{"type": ["boolean", "string"]}"#;

/// The rows.
#[rustfmt::skip]
pub(super) const ROWS: &[Field] = &[
    row("options", Ollama, Honoured(Object), "fields of the tables above, at their place", r#"{"num_predict": 4, "mirostat": 0}"#),
    row("system", Ollama, Honoured(Text), "/api/generate: instructions before the prompt", r#""a""#),
    row("raw", Ollama, Honoured(Bool), "/api/generate: the prompt as it is, without a chat template", "true"),
    row("think", Ollama, Honoured(Schema(THINK)), "true, false, or an effort: handed to the chat template", "false"),
    row("keep_alive", Ollama, NoEffect, "the model stays loaded", r#""5m""#),
    row("images", Ollama, RefusedUnless(&["[]"]), "this model reads text only", r#"["aGk="]"#),
    row("template", Ollama, RefusedUnless(&[r#""""#]), "templates are chosen when the server starts, with --chat-template", r#""x""#),
    row("context", Ollama, RefusedUnless(&["[]"]), "send the conversation to /api/chat", "[1, 2]"),
    row("num_ctx", Both, NoEffect, "--context of the server decides; what does not fit is refused", "1"),
    row("num_batch", Both, NoEffect, "it is decided when the server starts", "1"),
    row("num_gpu", Both, NoEffect, "it is decided when the server starts", "1"),
    row("main_gpu", Both, NoEffect, "it is decided when the server starts", "1"),
    row("num_thread", Both, NoEffect, "the tuned plan decides", "1"),
    row("num_keep", Both, NoEffect, "contexts are not shifted", "1"),
    row("numa", Both, NoEffect, "the tuned plan decides", "1"),
    row("use_mmap", Both, NoEffect, "it is decided when the server starts", "1"),
    row("use_mlock", Both, NoEffect, "it is decided when the server starts", "1"),
    row("low_vram", Both, NoEffect, "it is decided when the server starts", "1"),
    row("f16_kv", Both, NoEffect, "it is decided when the server starts", "1"),
    row("vocab_only", Both, NoEffect, "it is decided when the server starts", "1"),
    row("logits_all", Both, NoEffect, "it is decided when the server starts", "1"),
];
