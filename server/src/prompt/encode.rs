//! [`ModelPrompt`]: the chat template of a model together with its tokenizer.

use std::sync::Arc;

use serde_json::{Map, Value};
use sysinfer_engine::Tokenizer;
use sysinfer_engine::tokenizer::{Segment, TooManyTokens};

use super::builtin::{Builtin, RoleTokens};
use super::ending;
use super::guard::{Guard, unused_mark};
use super::sandbox::process::{Program, TemplateProcesses};
use super::template::{ChatTemplate, Clock, TemplateError, TokenTexts};
use super::{Conversation, Message, PromptEncoder, PromptError};

/// Where a template comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateSource {
    /// From a file: the model's own, or one given at start.
    Text {
        /// Jinja source.
        source: String,
        /// What to call it in messages.
        origin: String,
    },
    /// One of ours.
    Builtin(Builtin),
}

/// Encodes conversations for one model.
#[derive(Debug)]
pub struct ModelPrompt {
    template: Renderer,
    /// The template's source, in which the mark must not occur either.
    source: String,
    guard: Guard,
    tokenizer: Arc<Tokenizer>,
    /// Texts that stand for tokens though the vocabulary has them as ordinary ones.
    role_texts: Vec<(String, u32)>,
}

/// Where a template is rendered.
#[derive(Debug)]
enum Renderer {
    /// In this process: our own templates.
    Here(Box<ChatTemplate>),
    /// In another one: everybody else's.
    Apart(TemplateProcesses),
}

impl Renderer {
    fn render(&self, conversation: &Conversation) -> Result<String, PromptError> {
        match self {
            Renderer::Here(template) => template.render(conversation),
            Renderer::Apart(process) => process.render(conversation),
        }
    }
}

impl TemplateSource {
    /// What to call the template in messages.
    pub fn origin(&self) -> String {
        match self {
            TemplateSource::Text { origin, .. } => origin.clone(),
            TemplateSource::Builtin(builtin) => {
                format!("the built-in chat template {}", builtin.name)
            }
        }
    }
}

impl ModelPrompt {
    /// Compiles the template for a vocabulary, to be rendered in this process: for templates that are
    /// trusted.
    ///
    /// # Errors
    /// [`TemplateError`] when the template is broken.
    pub fn new(
        template: &TemplateSource,
        tokenizer: Arc<Tokenizer>,
        clock: Clock,
    ) -> Result<Self, TemplateError> {
        Self::build(template, tokenizer, |source, origin, tokens| {
            let template = ChatTemplate::new(source, origin, tokens, clock)?;
            Ok(Renderer::Here(Box::new(template)))
        })
    }

    /// Compiles the template for a vocabulary. One that is not ours is rendered by `program`, by the
    /// system's clock.
    ///
    /// # Errors
    /// [`TemplateError`] when the template is broken, or takes too much time or memory to compile.
    pub fn guarded_by(
        program: Program,
        template: &TemplateSource,
        tokenizer: Arc<Tokenizer>,
        clock: Clock,
    ) -> Result<Self, TemplateError> {
        match template {
            TemplateSource::Builtin(_) => Self::new(template, tokenizer, clock),
            TemplateSource::Text { .. } => {
                Self::build(template, tokenizer, |source, origin, tokens| {
                    let process = TemplateProcesses::start(source, origin, tokens, program)?;
                    Ok(Renderer::Apart(process))
                })
            }
        }
    }

    fn build(
        template: &TemplateSource,
        tokenizer: Arc<Tokenizer>,
        compile: impl FnOnce(&str, &str, TokenTexts) -> Result<Renderer, TemplateError>,
    ) -> Result<Self, TemplateError> {
        let (source, roles) = match template {
            TemplateSource::Text { source, .. } => (source.clone(), None),
            TemplateSource::Builtin(builtin) => (builtin.source.to_string(), builtin.role_tokens),
        };
        let text_of = |token: Option<u32>| {
            token
                .map(|token| tokenizer.token_text(token).into_owned())
                .unwrap_or_default()
        };
        let RoleTokens { user, assistant } = roles.unwrap_or(RoleTokens {
            user: u32::MAX,
            assistant: u32::MAX,
        });
        let tokens = TokenTexts {
            bos: text_of(tokenizer.bos()),
            eos: text_of(tokenizer.eos()),
            user: text_of(Some(user)),
            assistant: text_of(Some(assistant)),
        };
        let role_texts = [
            (tokens.user.clone(), user),
            (tokens.assistant.clone(), assistant),
        ];
        let role_texts: Vec<(String, u32)> = role_texts
            .into_iter()
            .filter(|(text, _)| !text.is_empty())
            .collect();
        let guard = guard_of(&tokenizer, &role_texts);
        let template = compile(&source, &template.origin(), tokens)?;
        Ok(Self {
            template,
            source,
            guard,
            tokenizer,
            role_texts,
        })
    }

    /// Refuses what the template would leave out without a word.
    fn check(&self, conversation: &Conversation) -> Result<(), PromptError> {
        let has_calls = conversation.messages.iter().any(Message::has_calls);
        if has_calls && !self.source.contains("tool_calls") {
            return Err(PromptError::ToolCalls);
        }
        Ok(())
    }

    /// The text of a prompt, up to where the model goes on.
    fn rendered(&self, conversation: &Conversation) -> Result<String, PromptError> {
        let mut text = self.template.render(conversation)?;
        text.truncate(ending::end(conversation, &text)?);
        Ok(text)
    }

    fn guarded(&self, conversation: &Conversation, mark: char) -> Conversation {
        let arguments = |arguments: &Option<Value>| {
            let arguments = arguments.as_ref();
            arguments.map(|arguments| self.guarded_value(arguments, mark))
        };
        let message = |message: &Message| Message {
            role: message.role,
            fields: self.guarded_fields(&message.fields, mark),
            arguments: message.arguments.iter().map(arguments).collect(),
        };
        Conversation {
            messages: conversation.messages.iter().map(message).collect(),
            variables: self.guarded_map(&conversation.variables, mark),
            ending: conversation.ending,
        }
    }

    /// Fields of a message. Those that templates and we look at keep their names, and the role, which
    /// is one of ours, is what templates compare.
    fn guarded_fields(&self, fields: &Map<String, Value>, mark: char) -> Map<String, Value> {
        let field = |(name, value): (&String, &Value)| match name.as_str() {
            "role" => (name.clone(), value.clone()),
            "content" | "tool_calls" => (name.clone(), self.guarded_value(value, mark)),
            other => (
                self.guard.apply(other, mark),
                self.guarded_value(value, mark),
            ),
        };
        fields.iter().map(field).collect()
    }

    fn guarded_map(&self, map: &Map<String, Value>, mark: char) -> Map<String, Value> {
        map.iter()
            .map(|(name, value)| (name.clone(), self.guarded_value(value, mark)))
            .collect()
    }

    /// Depth is bounded by the JSON parser's own limit.
    fn guarded_value(&self, value: &Value, mark: char) -> Value {
        match value {
            Value::String(text) => Value::String(self.guard.apply(text, mark)),
            Value::Array(items) => items
                .iter()
                .map(|item| self.guarded_value(item, mark))
                .collect(),
            // Templates print whole maps as JSON, names included.
            Value::Object(map) => map
                .iter()
                .map(|(name, value)| {
                    let name = self.guard.apply(name, mark);
                    (name, self.guarded_value(value, mark))
                })
                .collect(),
            other => other.clone(),
        }
    }

    /// Appends the tokens of rendered text, to `most` of them at most; control tokens do not reach over
    /// marks.
    fn append_tokens(
        &self,
        text: &str,
        mark: char,
        tokens: &mut Vec<u32>,
        most: usize,
    ) -> Result<(), PromptError> {
        let segment = |text| Segment {
            text,
            parse_special: true,
        };
        let segments: Vec<Segment<'_>> = text.split(mark).map(segment).collect();
        let before = tokens.len();
        let within = most.saturating_sub(before);
        let more = self
            .tokenizer
            .encode_segments_within(&segments, false, within);
        tokens.extend(more.map_err(|TooManyTokens { at_least }| {
            let at_least = before + at_least;
            PromptError::TooManyTokens { at_least }
        })?);
        Ok(())
    }

    /// The role texts in `text`, first to last: where each is, how long, and its token.
    fn roles_in(&self, text: &str) -> Vec<(usize, usize, u32)> {
        let found = self.role_texts.iter().flat_map(|(role, token)| {
            let places = text.match_indices(role.as_str());
            places.map(|(at, role)| (at, role.len(), *token))
        });
        let mut found: Vec<_> = found.collect();
        found.sort_unstable();
        found
    }
}

impl PromptEncoder for ModelPrompt {
    fn encode(
        &self,
        conversation: &Conversation,
        most_tokens: usize,
    ) -> Result<Vec<u32>, PromptError> {
        self.check(conversation)?;
        let mark = unused_mark([written(conversation)?.as_str(), &self.source].into_iter())?;
        let rendered = self.rendered(&self.guarded(conversation, mark))?;
        let mut tokens = Vec::new();
        let mut from = 0;
        for (at, length, token) in self.roles_in(&rendered) {
            // The texts of two roles could overlap in a strange vocabulary: the first one counts.
            if at >= from {
                self.append_tokens(&rendered[from..at], mark, &mut tokens, most_tokens)?;
                tokens.push(token);
                from = at + length;
            }
        }
        self.append_tokens(&rendered[from..], mark, &mut tokens, most_tokens)?;
        // Most templates write the BOS token themselves; two of them would harm the answer.
        if let Some(bos) = self.tokenizer.bos().filter(|_| self.tokenizer.adds_bos())
            && tokens.first() != Some(&bos)
        {
            tokens.insert(0, bos);
        }
        Ok(tokens)
    }

    fn render(&self, conversation: &Conversation) -> Result<String, PromptError> {
        self.check(conversation)?;
        self.rendered(conversation)
    }
}

/// Every character of a conversation. JSON escapes none but control characters, and arguments are there
/// as text and as what the text says.
fn written(conversation: &Conversation) -> Result<String, PromptError> {
    let whole = serde_json::to_string(conversation);
    whole.map_err(|error| PromptError::Template(error.to_string()))
}

/// Guards all tokens that have no place in text, and the role tokens of a built-in template.
fn guard_of(tokenizer: &Tokenizer, role_texts: &[(String, u32)]) -> Guard {
    let count = u32::try_from(tokenizer.vocabulary_size()).unwrap_or(u32::MAX);
    let hidden = (0..count).filter(|token| tokenizer.is_hidden(*token));
    let hidden = hidden.map(|token| tokenizer.token_text(token));
    let roles = role_texts.iter().map(|(text, _)| text.as_str().into());
    Guard::new(hidden.chain(roles))
}
