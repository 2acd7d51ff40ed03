//! Chat templates for models whose file has none, chosen by name, architecture or vocabulary.

/// A template that comes with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// Its name on the command line.
    pub name: &'static str,
    /// Jinja source.
    pub source: &'static str,
    /// Tokens that the source names by the variables `user_token` and `assistant_token`, by their
    /// ids: their texts differ between versions of the vocabulary.
    pub role_tokens: Option<RoleTokens>,
}

/// Ids of the tokens that begin a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleTokens {
    /// Begins a user's turn.
    pub user: u32,
    /// Begins the model's turn.
    pub assistant: u32,
}

/// All of them; the last fits any model, badly.
pub const ALL: [Builtin; 5] = [
    Builtin {
        name: "chatml",
        source: CHATML,
        role_tokens: None,
    },
    Builtin {
        name: "llama3",
        source: LLAMA3,
        role_tokens: None,
    },
    Builtin {
        name: "llama2",
        source: LLAMA2,
        role_tokens: None,
    },
    // generation_config.json of Baichuan 1 and 2: user_token_id 195, assistant_token_id 196.
    Builtin {
        name: "baichuan",
        source: BAICHUAN,
        role_tokens: Some(RoleTokens {
            user: 195,
            assistant: 196,
        }),
    },
    Builtin {
        name: "plain",
        source: PLAIN,
        role_tokens: None,
    },
];

const CHATML: &str = "\
{%- for message in messages -%}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\\n' }}
{%- endif -%}
";

const LLAMA3: &str = "\
{{- bos_token -}}
{%- for message in messages -%}
{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + (message['content'] | trim) + '<|eot_id|>' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif -%}
";

/// The system message goes into the first user turn, as Meta's reference code does.
const LLAMA2: &str = "\
{%- set head = namespace(text='') -%}
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{%- set head.text = '<<SYS>>\\n' + message['content'] + '\\n<</SYS>>\\n\\n' -%}
{%- elif message['role'] == 'assistant' -%}
{{ ' ' + (message['content'] | trim) + ' ' + eos_token }}
{%- else -%}
{{ bos_token + '[INST] ' + head.text + (message['content'] | trim) + ' [/INST]' }}
{%- set head.text = '' -%}
{%- endif -%}
{%- endfor -%}
";

/// `build_chat_input` of Baichuan 2's generation_utils.py: system text, then turns, each behind its
/// role token.
const BAICHUAN: &str = "\
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{{ message['content'] }}
{%- elif message['role'] == 'assistant' -%}
{{ assistant_token + message['content'] }}
{%- else -%}
{{ user_token + message['content'] }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ assistant_token }}
{%- endif -%}
";

const PLAIN: &str = "\
{%- for message in messages -%}
{{ message['role'] + ': ' + message['content'] + '\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ 'assistant:' }}
{%- endif -%}
";

/// The template of that name.
pub fn named(name: &str) -> Option<Builtin> {
    ALL.into_iter().find(|builtin| builtin.name == name)
}

/// The likeliest template for a model without one: by its architecture, then by the control tokens
/// in its vocabulary.
pub fn likely(architecture: &str, has_token: impl Fn(&str) -> bool) -> Builtin {
    let name = if architecture.starts_with("baichuan") {
        "baichuan"
    } else if has_token("<|start_header_id|>") {
        "llama3"
    } else if has_token("<|im_start|>") {
        "chatml"
    } else if architecture == "llama" && has_token("</s>") && has_token("<0x0A>") {
        "llama2"
    } else {
        "plain"
    };
    named(name).unwrap_or(ALL[ALL.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_go_by_architecture_then_vocabulary() {
        let cases: [(&str, &[&str], &str); 5] = [
            ("baichuan", &["</s>", "<0x0A>"], "baichuan"),
            ("llama", &["<|start_header_id|>", "<|eot_id|>"], "llama3"),
            ("qwen2", &["<|im_start|>", "<|im_end|>"], "chatml"),
            ("llama", &["<s>", "</s>", "<0x0A>"], "llama2"),
            ("gpt2", &["<|endoftext|>"], "plain"),
        ];
        for (architecture, tokens, wanted) in cases {
            let found = likely(architecture, |token| tokens.contains(&token));
            assert_eq!(found.name, wanted, "{architecture} {tokens:?}");
        }
    }

    #[test]
    fn names_are_unique() {
        for builtin in ALL {
            assert_eq!(named(builtin.name), Some(builtin));
        }
    }
}
