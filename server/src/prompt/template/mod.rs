//! The Jinja side of a chat template, with what Hugging Face templates expect of their host.
//!
//! The measure is `apply_chat_template` of the transformers library: the text that it makes of the same
//! template and messages. `source` reads the template as its lexer does, `builtins` has its filters
//! and functions, `python` and `json` print values as it does, `variables` are those that it
//! hands in, and `forms` gives each template contents and tool calls as it expects them. Where
//! Python refuses an operation (`1 < 'a'`, iterating over None) minijinja may not; where minijinja lacks
//! one, the error names it.
//!
//! A template is part of a model file, so it is hostile until proven otherwise: it sees nothing but its
//! variables, fuel bounds what simple loops take, and [`super::sandbox`] all the rest.

mod builtins;
mod forms;
mod inputs;
mod json;
mod literal;
mod methods;
mod python;
mod source;
mod variables;

pub use inputs::{Clock, TokenTexts};

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind};
use serde_json::{Map, Value};

use super::{Conversation, Ending, PromptError};
use forms::Forms;
use inputs::Fields;

const NAME: &str = "chat template";

/// Roughly instructions plus 64-byte pieces of data: under a second, and about 256 MB, for templates
/// that do not look for operations that are charged too little.
const FUEL: u64 = 4_000_000;

/// Longest source that is compiled; real ones have at most some 30 KB.
const LONGEST_SOURCE_BYTES: usize = 1 << 20;

/// A template that has been compiled.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    tokens: TokenTexts,
    forms: Forms,
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
    /// Nothing is known of the template: there is no process to render it.
    #[error(
        "{origin} cannot be rendered, because the process for it cannot be started: {problem}; let the server start a second process of 1 GiB of address space, or pass the name of a built-in template with --chat-template"
    )]
    NoProcess {
        /// File or `the chat template in the model file`.
        origin: String,
        /// What the system says.
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
        environment.set_fuel(Some(FUEL));
        builtins::add_to(&mut environment, clock);
        let read = source::read_as_jinja(source).map_err(|bad| TemplateError::Broken {
            origin: origin.into(),
            problem: bad.to_string(),
        })?;
        environment.add_template_owned(NAME, read).map_err(broken)?;
        Ok(Self {
            environment,
            tokens,
            forms: Forms::of(source),
        })
    }

    /// Renders a conversation, up to where the assistant's answer begins unless it ends otherwise; see `variables` for what the
    /// template sees.
    ///
    /// # Errors
    /// [`PromptError::Template`] with what the template said, or where it failed.
    pub fn render(&self, conversation: &Conversation) -> Result<String, PromptError> {
        self.text_of(conversation).map_err(PromptError::Template)
    }

    /// [`Self::render`] with the bare message of what failed.
    pub(super) fn text_of(&self, conversation: &Conversation) -> Result<String, String> {
        let probe = |messages: Vec<Fields>| self.written(&messages, &[], &Map::new(), true).ok();
        let begins_answer = conversation.ending == Ending::InAnswer;
        let mut refused = None;
        for tools in forms::of_tools(&conversation.tools) {
            for messages in self.forms.of_messages(&conversation.messages, &probe) {
                match self.written(&messages, &tools, &conversation.variables, begins_answer) {
                    Ok(text) => return Ok(text),
                    // What the template says to the form that suits it best is what the client hears.
                    Err(problem) => refused = refused.or(Some(problem)),
                }
            }
        }
        Err(refused.unwrap_or_default())
    }

    /// The text of messages and tools as they are.
    fn written(
        &self,
        messages: &[Fields],
        tools: &[Value],
        asked: &Map<String, Value>,
        begins_answer: bool,
    ) -> Result<String, String> {
        let template = self.environment.get_template(NAME);
        let template = template.map_err(|error| plain(&error))?;
        let seen = variables::of(messages, tools, asked, begins_answer, &self.tokens);
        let text = template.render(seen);
        text.map_err(|error| plain(&error))
    }
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

#[cfg(test)]
mod tests;
