//! What llama-server, Ollama (in `options`) and TGI have beside those.

use super::On::{Both, Chat};
use super::Reading::{Honoured, NoEffect, RefusedUnless};
use super::Type::{Integer, Number, Schema, Text};
use super::{Field, row};

/// `json`, or a JSON schema.
const FORMAT: &str = r#"{"anyOf": [{"enum": ["", "json"]}, {"type": "object"}]}"#;

/// The rows.
#[rustfmt::skip]
pub(super) const ROWS: &[Field] = &[
    row("n_predict", Both, Honoured(Integer), "`max_tokens`; -1 and -2: as many as there can be", "4"),
    row("num_predict", Both, Honoured(Integer), "the same by Ollama's name", "4"),
    row("max_new_tokens", Both, Honoured(Integer), "`max_tokens` by TGI's name", "4"),
    row("n_cmpl", Both, Honoured(Integer), "`n`", "2"),
    row("repeat_penalty", Both, Honoured(Number), "`repetition_penalty`", "1.1"),
    row("repeat_last_n", Both, Honoured(Integer), "-1, or any where no penalty is in force: penalties look at prompt and answer as a whole", "-1"),
    row("json_schema", Both, Honoured(Schema(super::vllm::SCHEMA)), "JSON of a schema", r#"{"type": "object"}"#),
    row("grammar", Both, Honoured(Text), "text of a grammar (GBNF)", r#""root ::= \"a\"""#),
    row("format", Both, Honoured(Schema(FORMAT)), r#"`"json"`, or a schema"#, r#""json""#),
    row("typical_p", Both, RefusedUnless(&["1"]), "use `top_p` or `min_p`", "0.5"),
    row("tfs_z", Both, RefusedUnless(&["1"]), "use `top_p` or `min_p`", "0.5"),
    row("top_n_sigma", Both, RefusedUnless(&["-1", "0"]), "use `top_p` or `min_p`", "1"),
    row("mirostat", Both, RefusedUnless(&["0"]), "use `temperature`, `top_p` or `min_p`", "2"),
    row("mirostat_tau", Both, NoEffect, "it belongs to `mirostat`", "5"),
    row("mirostat_eta", Both, NoEffect, "it belongs to `mirostat`", "0.1"),
    row("dynatemp_range", Both, RefusedUnless(&["0"]), "use `temperature`", "0.5"),
    row("dynatemp_exponent", Both, NoEffect, "it belongs to `dynatemp_range`", "1"),
    row("xtc_probability", Both, RefusedUnless(&["0"]), "use `top_p` or `min_p`", "0.5"),
    row("xtc_threshold", Both, NoEffect, "it belongs to `xtc_probability`", "0.1"),
    row("dry_multiplier", Both, RefusedUnless(&["0"]), "use `repetition_penalty` or `frequency_penalty`", "0.8"),
    row("dry_base", Both, NoEffect, "it belongs to `dry_multiplier`", "1.75"),
    row("dry_allowed_length", Both, NoEffect, "it belongs to `dry_multiplier`", "2"),
    row("dry_penalty_last_n", Both, NoEffect, "it belongs to `dry_multiplier`", "-1"),
    row("dry_sequence_breakers", Both, NoEffect, "it belongs to `dry_multiplier`", r#"["\n"]"#),
    row("adaptive_target", Both, RefusedUnless(&["-1"]), "use `temperature`", "0.5"),
    row("adaptive_decay", Both, NoEffect, "it belongs to `adaptive_target`", "0.9"),
    row("samplers", Both, RefusedUnless(&["[]", r#""""#]), "the order is fixed: biases, penalties, `temperature`, `top_k`, `top_p`, `min_p`", r#"["top_k"]"#),
    row("min_keep", Both, RefusedUnless(&["0", "1"]), "`top_p` and `min_p` keep the likeliest token", "5"),
    row("penalize_newline", Both, RefusedUnless(&["true"]), "penalties know no exceptions", "false"),
    row("n_probs", Both, RefusedUnless(&["0"]), "use `logprobs`", "5"),
    row("post_sampling_probs", Both, RefusedUnless(&["false"]), "logprobs are the model's own", "true"),
    row("n_indent", Both, RefusedUnless(&["0"]), "use a grammar", "2"),
    row("t_max_predict_ms", Both, RefusedUnless(&["0", "-1"]), "use `max_tokens`, or hang up", "100"),
    row("t_max_prompt_ms", Both, RefusedUnless(&["0", "-1"]), "hang up", "100"),
    row("return_tokens", Both, RefusedUnless(&["false"]), "use /tokenize", "true"),
    row("return_progress", Both, RefusedUnless(&["false"]), "a stream begins with the answer", "true"),
    row("timings_per_token", Both, RefusedUnless(&["false"]), "the log has the times of each answer", "true"),
    row("response_fields", Both, RefusedUnless(&["[]"]), "answers have all fields", r#"["a"]"#),
    row("lora", Both, RefusedUnless(&["[]"]), "the model is served as it was loaded", r#"[{"id": 0, "scale": 1}]"#),
    row("image_data", Both, RefusedUnless(&["[]"]), "prompts are text", r#"[{"id": 1}]"#),
    row("grammar_lazy", Both, RefusedUnless(&["false"]), "forms cover the whole answer", "true"),
    row("grammar_triggers", Both, RefusedUnless(&["[]"]), "forms cover the whole answer", r#"[{"type": 1}]"#),
    row("watermark", Both, RefusedUnless(&["false"]), "answers are not marked", "true"),
    row("truncate", Both, RefusedUnless(&[]), "a prompt that does not fit is refused; shorten it", "100"),
    row("reasoning_format", Chat, RefusedUnless(&[r#""auto""#, r#""deepseek""#]), "thoughts are `reasoning_content`", r#""none""#),
    row("reasoning_in_content", Chat, RefusedUnless(&["false"]), "the same", "true"),
    row("parse_tool_calls", Chat, RefusedUnless(&["true"]), "calls are always told from text; leave `tools` out", "false"),
    row("cache_prompt", Both, NoEffect, "reuse of what is computed changes no answer", "false"),
    row("id_slot", Both, NoEffect, "there are no slots: any place in memory may have what is computed", "0"),
    row("n_keep", Both, NoEffect, "contexts are not shifted: an answer ends where its context is full", "5"),
    row("n_discard", Both, NoEffect, "the same", "5"),
    row("n_cache_reuse", Both, NoEffect, "only what a prompt begins with is reused", "5"),
    row("speculative.n_max", Both, NoEffect, "drafts change no answer", "4"),
    row("speculative.n_min", Both, NoEffect, "the same", "0"),
    row("speculative.p_min", Both, NoEffect, "the same", "0.5"),
    row("backend_sampling", Both, NoEffect, "tokens are drawn in one place", "true"),
    row("sse_ping_interval", Both, NoEffect, "a silent stream has a comment every ten seconds", "30"),
];
