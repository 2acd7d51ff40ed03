//! [`ModelPrompt`]: the chat template of a model together with its tokenizer.

use std::sync::Arc;

use sysinfer_engine::Tokenizer;
use sysinfer_engine::tokenizer::{Segment, TooManyTokens};

use super::builtin::{Builtin, RoleTokens};
use super::ending;
use super::guard::{Guard, unused_mark};
use super::guarded;
use super::sandbox::process::{Program, TemplateProcesses};
use super::template::{ChatTemplate, Clock, TemplateError, TokenTexts};
use super::{Conversation, Message, PromptEncoder, PromptError};
use crate::tools::format::{ChatFormat, THINK};
use crate::tools::generic;

/// Tokens at the end of a prompt in which a block of thoughts is opened: its mark, which may be cut into several,
/// and white space.
const OPENING_TOKENS: usize = 16;

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
    format: ChatFormat,
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
            format: ChatFormat::of(&source, &|text| control_token(&tokenizer, text)),
            source,
            guard,
            tokenizer,
            role_texts,
        })
    }

    /// Does `with` the conversation as the template renders it: what it would leave out without a word is written
    /// as text, in one of two ways, of which the first counts that it does not refuse.
    fn rendered<T>(
        &self,
        conversation: &Conversation,
        with: impl Fn(&Conversation) -> Result<T, PromptError>,
    ) -> Result<T, PromptError> {
        let has_calls = conversation.messages.iter().any(Message::has_calls);
        let knows_tools = conversation.tools.is_empty() || self.format.syntax.is_rendered();
        let knows_calls = !has_calls || self.source.contains("tool_calls");
        if knows_tools && knows_calls {
            return with(conversation);
        }
        // What is not gone on with is found before its calls are text.
        ending::open(conversation)?;
        let (first, second) = generic::rewritten(conversation);
        match (with(&first), second) {
            (Err(PromptError::Template(refused)), Some(second)) => {
                let said = |error| match error {
                    PromptError::Template(_) => PromptError::Template(refused),
                    other => other,
                };
                with(&second).map_err(said)
            }
            (done, _) => done,
        }
    }

    /// The text of a conversation that the template renders as it is, up to where the model goes on.
    fn text_of(&self, conversation: &Conversation) -> Result<String, PromptError> {
        let mut text = self.template.render(conversation)?;
        text.truncate(ending::end(conversation, &text)?);
        Ok(text)
    }

    /// Its tokens.
    fn tokens_of(
        &self,
        conversation: &Conversation,
        most_tokens: usize,
    ) -> Result<Vec<u32>, PromptError> {
        let mark = unused_mark([written(conversation)?.as_str(), &self.source].into_iter())?;
        let rendered = self.text_of(&guarded::conversation(&self.guard, conversation, mark))?;
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
        self.rendered(conversation, |one| self.tokens_of(one, most_tokens))
    }

    fn render(&self, conversation: &Conversation) -> Result<String, PromptError> {
        self.rendered(conversation, |one| self.text_of(one))
    }

    fn format(&self) -> &ChatFormat {
        &self.format
    }

    fn opens_thoughts(&self, tokens: &[u32]) -> bool {
        let end = &tokens[tokens.len().saturating_sub(OPENING_TOKENS)..];
        let text = self.tokenizer.decode(end, true);
        self.format.thinks && text.trim_end().ends_with(THINK)
    }
}

/// Every character of a conversation. JSON escapes none but control characters, and arguments are there
/// as text and as what the text says.
fn written(conversation: &Conversation) -> Result<String, PromptError> {
    let whole = serde_json::to_string(conversation);
    whole.map_err(|error| PromptError::Template(error.to_string()))
}

/// The control token of that text.
fn control_token(tokenizer: &Tokenizer, text: &str) -> Option<u32> {
    let count = u32::try_from(tokenizer.vocabulary_size()).unwrap_or(u32::MAX);
    let hidden = (0..count).filter(|token| tokenizer.is_hidden(*token));
    let mut named = hidden.filter(|token| tokenizer.token_text(*token) == text);
    named.next()
}

/// Guards all tokens that have no place in text, and the role tokens of a built-in template.
fn guard_of(tokenizer: &Tokenizer, role_texts: &[(String, u32)]) -> Guard {
    let count = u32::try_from(tokenizer.vocabulary_size()).unwrap_or(u32::MAX);
    let hidden = (0..count).filter(|token| tokenizer.is_hidden(*token));
    let hidden = hidden.map(|token| tokenizer.token_text(token));
    let roles = role_texts.iter().map(|(text, _)| text.as_str().into());
    Guard::new(hidden.chain(roles))
}
