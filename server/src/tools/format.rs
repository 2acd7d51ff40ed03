//! In which syntax a model calls tools, and whether it thinks: what its chat template tells.

/// Begins what a model thinks before it answers.
pub const THINK: &str = "<think>";

/// Ends it.
pub const THINK_END: &str = "</think>";

/// How the answers of one model are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatFormat {
    /// How it calls tools.
    pub syntax: Syntax,
    /// Whether it may think in a block of [`THINK`] first.
    pub thinks: bool,
    /// The control tokens of all that, which are none of text: their texts and ids.
    pub specials: Vec<(&'static str, u32)>,
}

/// How calls of tools are written. What each is named after is who wrote it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`: Hermes, Qwen 2.5 and 3, Granite 4.
    Hermes,
    /// `{"name": ..., "parameters": {...}}`, maybe behind `<|python_tag|>`: Llama 3.1 and later, one call.
    Llama3,
    /// `[TOOL_CALLS][{"name": ..., "arguments": {...}}, ...]`: Mistral, until version 7 of its tokens.
    MistralList,
    /// `[TOOL_CALLS]name[ARGS]{...}`: Mistral, from version 11 of its tokens.
    MistralArgs {
        /// Between name and arguments stands `[CALL_ID]` and an id.
        ids: bool,
    },
    /// `<function=name>{...}</function>`: Functionary 3.1.
    Functionary31,
    /// `name\n{...}`, `>>>` before all but the first, and text for the recipient `all`: Functionary 3.2.
    Functionary32,
    /// None that is known here: Hermes' calls, as [`super::generic`] describes them to the model.
    Generic,
}

/// What a model without a template of its own is taken for.
pub static GENERIC: ChatFormat = ChatFormat {
    syntax: Syntax::Generic,
    thinks: false,
    specials: Vec::new(),
};

impl ChatFormat {
    /// What the source of a template tells. `special` has the id of a control token by its text.
    pub fn of(source: &str, special: &dyn Fn(&str) -> Option<u32>) -> Self {
        let syntax = Syntax::of(source);
        let thinks = source.contains(THINK) || source.contains(THINK_END);
        let marks = syntax.marks().iter().chain(match thinks {
            true => [THINK, THINK_END].iter(),
            false => [].iter(),
        });
        let specials = marks.filter_map(|mark| Some((*mark, special(mark)?)));
        Self {
            syntax,
            thinks,
            specials: specials.collect(),
        }
    }

    /// The id of a mark that is a control token.
    pub fn special(&self, mark: &str) -> Option<u32> {
        let found = self.specials.iter().find(|(text, _)| *text == mark);
        found.map(|(_, id)| *id)
    }

    /// Tokens whose texts the readers of answers look for, though they are none of text.
    pub fn shown(&self) -> Vec<u32> {
        self.specials.iter().map(|(_, id)| *id).collect()
    }
}

impl Syntax {
    fn of(source: &str) -> Self {
        let has = |text: &str| source.contains(text);
        // In a string of Jinja, quotes may stand behind backslashes.
        let has_key = |key: &str| has(&format!("\"{key}\": ")) || has(&format!("\\\"{key}\\\": "));
        if has(">>>all") {
            Self::Functionary32
        } else if has("[TOOL_CALLS]") {
            match has("[ARGS]") {
                true => Self::MistralArgs {
                    ids: has("[CALL_ID]"),
                },
                false => Self::MistralList,
            }
        } else if has("<tool_call>") {
            // Qwen3-Coder and GLM have XML in there.
            match has_key("arguments") && !has("<function=") && !has("<arg_key>") {
                true => Self::Hermes,
                false => Self::Generic,
            }
        } else if has("<function=") && has("</function>") && has("<|start_header_id|>") {
            Self::Functionary31
        } else if has("<|start_header_id|>ipython<|end_header_id|>") && has_key("parameters") {
            Self::Llama3
        } else {
            Self::Generic
        }
    }

    /// What the log says of it.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Hermes => "called as Hermes and Qwen do",
            Self::Llama3 => "called as Llama 3.1 does, one at a time",
            Self::MistralList | Self::MistralArgs { .. } => "called as Mistral does",
            Self::Functionary31 => "called as Functionary 3.1 does",
            Self::Functionary32 => "called as Functionary 3.2 does",
            Self::Generic => {
                "the chat template has no calls that are known here, so a message describes them"
            }
        }
    }

    /// Whether templates of this syntax are given the tools; others get them described in a message.
    pub fn is_rendered(self) -> bool {
        self != Self::Generic
    }

    /// Whether an answer may have more than one call: whether the template renders it.
    pub fn is_parallel(self) -> bool {
        self != Self::Llama3
    }

    /// How the object of a call names its arguments.
    pub fn arguments_key(self) -> &'static str {
        match self {
            Self::Llama3 => "parameters",
            _ => "arguments",
        }
    }

    /// What may be control tokens.
    fn marks(self) -> &'static [&'static str] {
        match self {
            Self::Hermes | Self::Generic => &["<tool_call>", "</tool_call>"],
            Self::Llama3 => &["<|python_tag|>"],
            Self::MistralList | Self::MistralArgs { .. } => {
                &["[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"]
            }
            Self::Functionary31 | Self::Functionary32 => &[],
        }
    }

    /// Whether templates refuse ids that are not nine letters and digits.
    pub fn has_short_ids(self) -> bool {
        matches!(self, Self::MistralList | Self::MistralArgs { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of public templates, as they stand in them.
    #[test]
    fn templates_tell_their_syntax() {
        let cases = [
            (
                r#"within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>"#,
                Syntax::Hermes,
            ),
            (
                r#"{{- '", "arguments": ' }}{{ '\n</tool_call>' }}{{- '<tool_call>\n{"name": "' }}"#,
                Syntax::Hermes,
            ),
            (
                r#"{{- '<tool_call>\n<function=' + tool_call.name + '>\n' }} "arguments": "#,
                Syntax::Generic,
            ),
            (
                "<tool_call>{function-name}\n<arg_key>{arg-key-1}</arg_key>",
                Syntax::Generic,
            ),
            (
                r#"{{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}{{- '"parameters": ' }}"#,
                Syntax::Llama3,
            ),
            (
                "{{ '<|start_header_id|>' }}{{ '<function=' + name + '>' + '</function>' }}",
                Syntax::Functionary31,
            ),
            (
                r"{{ '>>>all\n' + message['content'] }}",
                Syntax::Functionary32,
            ),
            (r#"{{- "[TOOL_CALLS][" }}"#, Syntax::MistralList),
            (
                "{{- '[TOOL_CALLS]' + name }}{{ '[CALL_ID]' + id }}{{ '[ARGS]' }}",
                Syntax::MistralArgs { ids: true },
            ),
            (
                r#"{{- "[TOOL_CALLS]" + name + "[ARGS]" }}"#,
                Syntax::MistralArgs { ids: false },
            ),
            (
                "{{ '<｜tool▁calls▁begin｜>' }}{{ '</think>' }}",
                Syntax::Generic,
            ),
            ("{{ message.content }}", Syntax::Generic),
        ];
        for (source, syntax) in cases {
            assert_eq!(Syntax::of(source), syntax, "{source}");
        }
    }

    #[test]
    fn control_tokens_are_known_by_their_ids_and_thinking_by_its_mark() {
        let special = |text: &str| match text {
            "[TOOL_CALLS]" => Some(9),
            "</think>" => Some(7),
            _ => None,
        };
        let format = ChatFormat::of("[TOOL_CALLS][", &special);
        assert_eq!(format.specials, [("[TOOL_CALLS]", 9)]);
        assert!(!format.thinks);
        let format = ChatFormat::of("{{ '</think>' }}", &special);
        assert!(format.thinks);
        assert_eq!(
            (format.special("</think>"), format.shown()),
            (Some(7), vec![7])
        );
        assert_eq!(format.special("<think>"), None);
    }
}
