//! Jinja sources of the built-in templates. What they write follows each model's reference code, and
//! where that refuses a conversation (roles out of order), llama.cpp's `llama-chat.cpp`.

pub(super) const CHATML: &str = "\
{%- for message in messages -%}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\\n' }}
{%- endif -%}
";

pub(super) const LLAMA3: &str = "\
{{- bos_token -}}
{%- for message in messages -%}
{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + (message['content'] | trim) + '<|eot_id|>' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif -%}
";

/// The system message goes into the first user turn, and all of that is trimmed, as Meta's reference
/// code does (`chat_completion` of llama/generation.py).
pub(super) const LLAMA2: &str = "\
{%- set head = namespace(text='') -%}
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{%- set head.text = '<<SYS>>\\n' + message['content'] + '\\n<</SYS>>\\n\\n' -%}
{%- elif message['role'] == 'assistant' -%}
{{ ' ' + (message['content'] | trim) + ' ' + eos_token }}
{%- else -%}
{{ bos_token + '[INST] ' + ((head.text + message['content']) | trim) + ' [/INST]' }}
{%- set head.text = '' -%}
{%- endif -%}
{%- endfor -%}
{%- if head.text -%}
{{ bos_token + '[INST] ' + (head.text | trim) + ' [/INST]' }}
{%- endif -%}
";

/// Mistral 7B v0.1 and v0.2, Mixtral: `[INST]` is ordinary text. (The versions and their spaces:
/// mistralai/cookbook, concept-deep-dive/tokenization/chat_templates.md.) The system message opens
/// the first user turn.
pub(super) const MISTRAL_V1: &str = "\
{{- bos_token -}}
{%- set turn = namespace(open=false) -%}
{%- for message in messages -%}
{%- if not turn.open -%}
{{ ' [INST] ' }}
{%- set turn.open = true -%}
{%- endif -%}
{%- if message['role'] == 'system' -%}
{{ message['content'] + '\\n\\n' }}
{%- elif message['role'] == 'assistant' -%}
{{ ' ' + message['content'] + eos_token }}
{%- set turn.open = false -%}
{%- else -%}
{{ message['content'] + ' [/INST]' }}
{%- endif -%}
{%- endfor -%}
";

/// Mistral 7B v0.3, Mixtral 8x22B, Codestral: `[INST]` is a control token.
pub(super) const MISTRAL_V3: &str = "\
{{- bos_token -}}
{%- set turn = namespace(open=false) -%}
{%- for message in messages -%}
{%- if not turn.open -%}
{{ '[INST] ' }}
{%- set turn.open = true -%}
{%- endif -%}
{%- if message['role'] == 'system' -%}
{{ message['content'] + '\\n\\n' }}
{%- elif message['role'] == 'assistant' -%}
{{ ' ' + (message['content'] | trim) + eos_token }}
{%- set turn.open = false -%}
{%- else -%}
{{ message['content'] + '[/INST]' }}
{%- endif -%}
{%- endfor -%}
";

/// Mistral Large 2411: a control token for the system message too.
pub(super) const MISTRAL_V7: &str = "\
{{- bos_token -}}
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{{ '[SYSTEM_PROMPT] ' + message['content'] + '[/SYSTEM_PROMPT]' }}
{%- elif message['role'] == 'assistant' -%}
{{ ' ' + message['content'] + eos_token }}
{%- else -%}
{{ '[INST] ' + message['content'] + '[/INST]' }}
{%- endif -%}
{%- endfor -%}
";

/// Zephyr 7B, StableLM 2 Zephyr, TinyLlama Chat: they differ in the end token only.
pub(super) const ZEPHYR: &str = "\
{%- for message in messages -%}
{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|assistant|>\\n' }}
{%- endif -%}
";

/// `build_chat_input` of Baichuan 2's generation_utils.py: system text, then turns, each behind its
/// role token; an answer that is there already is continued.
pub(super) const BAICHUAN: &str = "\
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{{ message['content'] }}
{%- elif message['role'] == 'assistant' -%}
{{ assistant_token + message['content'] }}
{%- else -%}
{{ user_token + message['content'] }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt and messages[-1]['role'] != 'assistant' -%}
{{ assistant_token }}
{%- endif -%}
";

pub(super) const PLAIN: &str = "\
{%- for message in messages -%}
{{ message['role'] + ': ' + message['content'] + '\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ 'assistant:' }}
{%- endif -%}
";
