//! What vLLM and SGLang have beside those of OpenAI.

use super::On::{Both, Chat, Completions};
use super::Reading::{Honoured, NoEffect, RefusedUnless, Template};
use super::Type::{Bool, Integer, Integers, Number, Object, Schema, Text, Texts};
use super::{Field, row};

/// A JSON schema, or the text of one.
pub(super) const SCHEMA: &str = r#"{"type": ["object", "string", "boolean"]}"#;

/// The rows.
#[rustfmt::skip]
pub(super) const ROWS: &[Field] = &[
    row("top_k", Both, Honoured(Integer), "-1 and 0 are off", "4"),
    row("min_p", Both, Honoured(Number), "0 to 1", "0.1"),
    row("repetition_penalty", Both, Honoured(Number), "above 0; 1 is off", "1.1"),
    row("min_tokens", Both, Honoured(Integer), "fewest tokens before an end token or one of `stop_token_ids`", "2"),
    row("min_new_tokens", Both, Honoured(Integer), "`min_tokens` by SGLang's name", "2"),
    row("ignore_eos", Both, Honoured(Bool), "the model's end tokens are not drawn", "true"),
    row("stop_token_ids", Both, Honoured(Integers), "tokens that end the answer and are no part of it, whatever `ignore_eos` says", "[5]"),
    row("allowed_token_ids", Both, Honoured(Integers), "the answer is made of these tokens; not with a form", "[5]"),
    row("skip_special_tokens", Both, Honoured(Bool), "false shows control tokens by their names", "false"),
    row("add_special_tokens", Completions, Honoured(Bool), "false leaves out the token that begins a text", "false"),
    row("add_special_tokens", Chat, RefusedUnless(&["false"]), "the chat template writes them", "true"),
    row("add_generation_prompt", Chat, Honoured(Bool), "false: the template does not begin the assistant's turn", "false"),
    row("continue_final_message", Chat, Honoured(Bool), "the answer goes on with the last message, which is the assistant's; then `add_generation_prompt` is false", "true"),
    row("chat_template_kwargs", Chat, Honoured(Object), "variables for the chat template", r#"{"a": 1}"#),
    row("enable_thinking", Chat, Template, "handed to the chat template", "false"),
    row("documents", Chat, Template, "handed to the chat template", r#"[{"title": "a", "text": "b"}]"#),
    row("chat_template", Chat, RefusedUnless(&[r#""""#]), "templates are chosen when the server starts, with --chat-template", r#""{{ messages }}""#),
    row("guided_json", Both, Honoured(Schema(SCHEMA)), "JSON of a schema", r#"{"type": "object"}"#),
    row("guided_regex", Both, Honoured(Text), "text that a regular expression matches", r#""a""#),
    row("guided_choice", Both, Honoured(Texts), "one of some texts", r#"["a"]"#),
    row("guided_grammar", Both, Honoured(Text), "text of a grammar, Lark's or llama.cpp's", r#""start: \"a\"""#),
    row("guided_json_object", Both, Honoured(Bool), "any JSON object", "true"),
    row("guided_whitespace_pattern", Both, Honoured(Text), "white space between the parts of JSON", r#"" ?""#),
    row("structured_outputs", Both, Honoured(Object), "`json`, `regex`, `choice`, `grammar`, `json_object`, white space", r#"{"regex": "a"}"#),
    row("regex", Both, Honoured(Text), "text that a regular expression matches", r#""a""#),
    row("ebnf", Both, Honoured(Text), "text of a grammar", r#""root ::= \"a\"""#),
    row("structural_tag", Both, RefusedUnless(&[r#""""#]), "forms cover the whole answer; use `response_format` or `grammar`", r#""{}""#),
    row("guided_decoding_backend", Both, NoEffect, "forms are compiled in one way", r#""xgrammar""#),
    row("bad_words", Both, RefusedUnless(&["[]"]), "use `logit_bias` of -100 for single tokens", r#"["x"]"#),
    row("use_beam_search", Both, RefusedUnless(&["false"]), "answers are drawn token by token", "true"),
    row("length_penalty", Both, RefusedUnless(&["1", "0"]), "it belongs to beam search", "0.5"),
    row("early_stopping", Both, RefusedUnless(&["false"]), "it belongs to beam search", "true"),
    row("include_stop_str_in_output", Both, RefusedUnless(&["false"]), "stop texts are no part of the answer", "true"),
    row("no_stop_trim", Both, RefusedUnless(&["false"]), "stop texts are no part of the answer", "true"),
    row("stop_regex", Both, RefusedUnless(&["[]", r#""""#]), "use `stop`", r#""a+""#),
    row("prompt_logprobs", Both, RefusedUnless(&["false"]), "logprobs are those of the answer", "1"),
    row("truncate_prompt_tokens", Both, RefusedUnless(&[]), "a prompt that does not fit is refused; shorten it", "100"),
    row("echo", Chat, RefusedUnless(&["false"]), "use /v1/completions", "true"),
    row("return_tokens_as_token_ids", Both, RefusedUnless(&["false"]), "logprobs show tokens as text and bytes", "true"),
    row("return_token_ids", Both, RefusedUnless(&["false"]), "use /tokenize", "true"),
    row("return_hidden_states", Both, RefusedUnless(&["false"]), "hidden states do not leave the engine", "true"),
    row("logits_processors", Both, RefusedUnless(&["[]"]), "no code is taken from requests", r#"["a.b"]"#),
    row("custom_logit_processor", Both, RefusedUnless(&[r#""""#]), "no code is taken from requests", r#""x""#),
    row("cache_salt", Both, RefusedUnless(&[r#""""#]), "prompts that begin alike share what is computed; start a server for each tenant", r#""x""#),
    row("kv_transfer_params", Both, RefusedUnless(&["{}"]), "caches are not transferred", r#"{"a": 1}"#),
    row("lora_path", Both, RefusedUnless(&[r#""""#]), "the model is served as it was loaded", r#""x""#),
    row("vllm_xargs", Both, RefusedUnless(&["{}"]), "there are no extensions", r#"{"a": 1}"#),
    row("include_reasoning", Chat, RefusedUnless(&["true"]), "thoughts are `reasoning_content`; `enable_thinking: false` has none, where the model can", "false"),
    row("separate_reasoning", Chat, RefusedUnless(&["true"]), "the same by SGLang's name", "false"),
    row("stream_reasoning", Chat, RefusedUnless(&["true"]), "thoughts are streamed as they come", "false"),
    row("spaces_between_special_tokens", Both, NoEffect, "tokens are joined as they are", "true"),
    row("mm_processor_kwargs", Both, NoEffect, "prompts are text", "{}"),
    row("priority", Both, NoEffect, "requests are answered in the order in which they come", "1"),
    row("request_id", Both, NoEffect, "the header `x-request-id` names a request", r#""r""#),
];
