//! The Jinja side of a chat template, with what Hugging Face templates expect of their host.
//!
//! Compatible with `apply_chat_template` of the transformers library: `trim_blocks` and
//! `lstrip_blocks`, Python's methods on strings and maps, `raise_exception`, `strftime_now`,
//! `tojson` as Python's `json.dumps`, and the variables named in [`ChatTemplate::render`]. A
//! template is part of a model file, so it is hostile until proven otherwise: it sees nothing but its
//! variables, fuel bounds what simple loops take, and [`super::sandbox`] all the rest.

use std::io;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, Error, ErrorKind, Value};
use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, PrettyFormatter};

use super::{Conversation, PromptError};

const NAME: &str = "chat template";

/// Roughly instructions plus 64-byte pieces of data: under a second, and about 256 MB, for templates
/// that do not look for operations that are charged too little.
const FUEL: u64 = 4_000_000;

/// Longest source that is compiled; real ones have at most some 30 KB.
const LONGEST_SOURCE_BYTES: usize = 1 << 20;

/// Tells the time. The engine's clock-free rule stops here: templates print dates.
pub type Clock = fn() -> Timestamp;

/// Texts of tokens that a template writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenTexts {
    /// `bos_token`; empty where the model has none.
    pub bos: String,
    /// `eos_token`; empty where the model has none.
    pub eos: String,
    /// `user_token`, for built-in templates only.
    pub user: String,
    /// `assistant_token`, for built-in templates only.
    pub assistant: String,
}

/// A template that has been compiled.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    tokens: TokenTexts,
    clock: Clock,
}

/// A template that cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Jinja's opinion, with the line.
    #[error("{origin} is broken: {problem}; pass another one with --chat-template")]
    Broken {
        /// File or `the chat template in the model file`.
        origin: String,
        /// What is wrong, and in which line.
        problem: String,
    },
    /// The rendering process' opinion, which names the origin.
    #[error("{0}")]
    Refused(String),
    /// Longer than any real template.
    #[error(
        "{origin} has {bytes} bytes, more than {LONGEST_SOURCE_BYTES}; pass another one with --chat-template"
    )]
    TooLong {
        /// File or `the chat template in the model file`.
        origin: String,
        /// Its length.
        bytes: usize,
    },
}

impl ChatTemplate {
    /// Compiles `source`; `origin` names it in errors.
    ///
    /// # Errors
    /// [`TemplateError`] for syntax that this Jinja does not know.
    pub fn new(
        source: &str,
        origin: &str,
        tokens: TokenTexts,
        clock: Clock,
    ) -> Result<Self, TemplateError> {
        if source.len() > LONGEST_SOURCE_BYTES {
            return Err(TemplateError::TooLong {
                origin: origin.into(),
                bytes: source.len(),
            });
        }
        let broken = |error: Error| TemplateError::Broken {
            origin: origin.into(),
            problem: plain(&error),
        };
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(broken)?;
        environment.set_syntax(syntax);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_fuel(Some(FUEL));
        environment.add_filter("tojson", tojson);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", move |format: String| {
            strftime(clock(), &format)
        });
        environment
            .add_template_owned(NAME, without_generation_tags(source))
            .map_err(broken)?;
        Ok(Self {
            environment,
            tokens,
            clock,
        })
    }

    /// Renders a conversation up to where the assistant's answer begins.
    ///
    /// Variables: `messages` (maps of `role`, `content` and what else a message has),
    /// `add_generation_prompt`, `bos_token`, `eos_token`, `date_string`, and those of the
    /// conversation.
    ///
    /// # Errors
    /// [`PromptError::Template`] with what the template said, or where it failed.
    pub fn render(&self, conversation: &Conversation) -> Result<String, PromptError> {
        self.text_of(conversation).map_err(PromptError::Template)
    }

    /// [`Self::render`] with the bare message of what failed.
    pub(super) fn text_of(&self, conversation: &Conversation) -> Result<String, String> {
        let template = self.environment.get_template(NAME);
        let template = template.map_err(|error| plain(&error))?;
        let text = template.render(self.variables(conversation));
        text.map_err(|error| plain(&error))
    }

    fn variables(&self, conversation: &Conversation) -> Value {
        let message = |message: &super::Message| {
            let text = [
                ("role", Value::from(message.role.name())),
                ("content", Value::from(&message.content)),
            ];
            let text = text.map(|(name, value)| (name.to_string(), value));
            let more = message.more.iter();
            let more = more.map(|(name, value)| (name.clone(), Value::from(Serde(value))));
            Value::from_pairs(text.into_iter().chain(more))
        };
        let messages: Vec<Value> = conversation.messages.iter().map(message).collect();
        let asked = conversation.variables.iter();
        let asked = asked.map(|(name, value)| (name.clone(), Value::from(Serde(value))));
        let date = strftime((self.clock)(), "%d %b %Y").unwrap_or_default();
        let date = ("date_string".to_string(), Value::from(date));
        // Ours come last, so that a request cannot stand in for them; only the date may be another.
        let ours = [
            ("messages", Value::from(messages)),
            ("add_generation_prompt", Value::from(true)),
            ("bos_token", Value::from(&self.tokens.bos)),
            ("eos_token", Value::from(&self.tokens.eos)),
            ("user_token", Value::from(&self.tokens.user)),
            ("assistant_token", Value::from(&self.tokens.assistant)),
        ];
        let ours = ours
            .into_iter()
            .map(|(name, value)| (name.to_string(), value));
        Value::from_pairs([date].into_iter().chain(asked).chain(ours))
    }
}

/// The source with `{% generation %}` blocks, which mark a model's own words for training and mean
/// nothing here, as blocks that this Jinja knows. White space around them is handled as before.
fn without_generation_tags(source: &str) -> String {
    let mut clean = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at + 2);
        clean.push_str(before);
        rest = tag;
        let Some(end) = tag.find("%}") else { break };
        let inner = &tag[..end];
        let name = inner.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+');
        let known = match name {
            "generation" => "if true",
            "endgeneration" => "endif",
            _ => continue,
        };
        clean.push_str(&inner.replacen(name, known, 1));
        rest = &tag[end..];
    }
    clean.push_str(rest);
    clean
}

/// The message of an error without the template's name, which says nothing: there is only one.
fn plain(error: &Error) -> String {
    let detail = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_string);
    match error.line() {
        Some(line) if error.kind() != ErrorKind::InvalidOperation => {
            format!("{}: {detail} (line {line})", error.kind())
        }
        _ => detail,
    }
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

fn strftime(now: Timestamp, format: &str) -> Result<String, Error> {
    let now = now.to_zoned(TimeZone::UTC);
    jiff::fmt::strtime::format(format, &now).map_err(|error| {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("strftime_now: {error}"),
        )
    })
}

/// `json.dumps(value, ensure_ascii=False, indent=indent)`: spaces behind `,` and `:`, and no HTML
/// escapes, which Jinja's own filter would make.
fn tojson(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    // Accepted for Python's callers and never done: escapes would hide the marks that keep a client's
    // text from becoming control tokens.
    let _: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    let mut text = Vec::new();
    let written = match indent {
        None => value.serialize(&mut serde_json::Serializer::with_formatter(
            &mut text,
            PythonFormatter,
        )),
        Some(width) => {
            let indent = " ".repeat(width.min(16));
            let formatter = PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(
                &mut text, formatter,
            ))
        }
    };
    let bad = |problem: String| Error::new(ErrorKind::BadSerialization, problem);
    written.map_err(|error| bad(error.to_string()))?;
    String::from_utf8(text)
        .map(Value::from)
        .map_err(|error| bad(error.to_string()))
}

/// One line, with a space behind each comma and colon.
struct PythonFormatter;

impl Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first {
            Ok(())
        } else {
            writer.write_all(b", ")
        }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first {
            Ok(())
        } else {
            writer.write_all(b", ")
        }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::prompt::{Message, Role};

    fn noon() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn tokens() -> TokenTexts {
        TokenTexts {
            bos: "<s>".into(),
            eos: "</s>".into(),
            user: "<U>".into(),
            assistant: "<A>".into(),
        }
    }

    fn conversation(messages: &[(Role, &str)]) -> Conversation {
        let message = |(role, content): &(Role, &str)| Message::new(*role, *content);
        Conversation {
            messages: messages.iter().map(message).collect(),
            ..Conversation::default()
        }
    }

    fn render(source: &str, conversation: &Conversation) -> Result<String, PromptError> {
        ChatTemplate::new(source, "test", tokens(), noon)
            .expect("compiles")
            .render(conversation)
    }

    #[test]
    fn a_template_gets_what_hugging_face_gives_it() {
        let mut talk = conversation(&[(Role::User, "  a</think>b  ")]);
        talk.variables
            .insert("enable_thinking".into(), json!(false));
        talk.variables.insert("messages".into(), json!("not these"));
        let cases = [
            (
                "{{ messages[0].content.split('</think>')[-1].strip() }}",
                "b",
            ),
            ("{{ messages[0]['content'].startswith('  a') }}", "True"),
            (
                "{% if enable_thinking is defined and enable_thinking is false %}off{% endif %}",
                "off",
            ),
            (
                "{{ strftime_now('%d %B %Y') }} {{ date_string }}",
                "01 January 1970 01 Jan 1970",
            ),
            (
                "{{ {'a': [1, '<b>'], 'ü': none} | tojson }}",
                "{\"a\": [1, \"<b>\"], \"ü\": null}",
            ),
            ("{{ [1] | tojson(indent=2) }}", "[\n  1\n]"),
            ("{% if tools is defined %}x{% endif %}y", "y"),
            (
                "{% for m in messages %}\n    {% if loop.first %}\none\n    {% endif %}\n{% endfor %}\n",
                "one\n",
            ),
            (
                "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
                "1",
            ),
            ("{% for m in messages %}{% break %}{% endfor %}z", "z"),
            (
                "a {%- generation -%} b {%- endgeneration -%} c{% generation %}\nd{%endgeneration%}",
                "abcd",
            ),
            ("{{ '{% if' }}{{ '{%' }}", "{% if{%"),
        ];
        for (source, wanted) in cases {
            assert_eq!(render(source, &talk), Ok(wanted.to_string()), "{source}");
        }
    }

    #[test]
    fn a_request_may_set_the_date_and_nothing_else_of_ours() {
        let mut talk = conversation(&[(Role::User, "x")]);
        for name in ["date_string", "bos_token", "add_generation_prompt"] {
            talk.variables.insert(name.into(), json!("mine"));
        }
        let source = "{{ date_string }} {{ bos_token }} {{ add_generation_prompt }}";
        assert_eq!(render(source, &talk), Ok("mine <s> True".into()));
    }

    #[test]
    fn what_a_template_raises_reaches_the_client() {
        let talk = conversation(&[(Role::System, "x")]);
        let error = render("{{ raise_exception('System role not supported') }}", &talk);
        assert_eq!(
            error,
            Err(PromptError::Template("System role not supported".into()))
        );
    }

    #[test]
    fn broken_templates_name_their_origin_and_line() {
        for source in [
            "\n{% if %}",
            "{{ 'open",
            "{% for x in y %}",
            "{% nonsense %}",
        ] {
            let error = ChatTemplate::new(source, "tmpl.jinja", tokens(), noon).expect_err(source);
            let message = error.to_string();
            assert!(
                message.contains("tmpl.jinja") && message.contains("line"),
                "{message}"
            );
        }
        let long = " ".repeat(LONGEST_SOURCE_BYTES + 1);
        assert!(ChatTemplate::new(&long, "tmpl.jinja", tokens(), noon).is_err());
    }

    #[test]
    fn hostile_templates_run_out_of_fuel() {
        let talk = conversation(&[(Role::User, "x")]);
        let cases = [
            "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}",
            "{{ 'x' * 100000000000 }}",
            "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "{{ missing.attribute }}",
        ];
        for source in cases {
            assert!(
                matches!(render(source, &talk), Err(PromptError::Template(_))),
                "{source}"
            );
        }
    }
}
