//! From a conversation to tokens: chat template, guard, tokenizer.
//!
//! The template turns messages into one text with control tokens in it; the tokenizer turns that
//! into ids. Control tokens count only where the template wrote them: [`guard`] sees to it that
//! text of a client never becomes one.

pub mod builtin;
pub mod encode;
mod ending;
pub mod guard;
mod guarded;
mod message;
pub mod sandbox;
pub mod template;
pub mod text;

pub use message::{Message, Role};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::tools::format::{ChatFormat, GENERIC};

/// What a prompt is made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Oldest first.
    pub messages: Vec<Message>,
    /// Functions that the model may call, as they were sent.
    pub tools: Vec<Value>,
    /// Variables that the request hands to the template, such as `enable_thinking`.
    pub variables: Map<String, Value>,
    /// How the prompt ends.
    #[serde(default)]
    pub ending: Ending,
}

/// Where the prompt of a conversation ends, and so what the model goes on with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// Where the assistant's answer begins.
    #[default]
    InAnswer,
    /// Behind the last message; the model may say whose turn it is.
    AfterLastMessage,
    /// Behind the text of the last message, which goes on.
    InLastMessage,
}

/// Why a conversation gives no prompt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// The template refused the conversation or failed on it.
    #[error("the model's chat template cannot render this conversation: {0}")]
    Template(String),
    /// There is nothing to go on with.
    #[error(
        "continue_final_message: the last message must be the assistant's and end with text, which the chat template shows, and have no tool calls"
    )]
    NothingToContinue,
    /// More tokens than were wanted.
    #[error("the prompt has at least {at_least} tokens")]
    TooManyTokens {
        /// What is certain without counting them all.
        at_least: usize,
    },
    /// The server's trouble, not the client's: nothing renders chat templates.
    #[error("the process that renders chat templates cannot be started: {0}")]
    NoRenderer(String),
    /// The same: what renders them was ended by somebody else, twice.
    #[error("the process that renders chat templates was ended ({0}), and so was another one")]
    RendererEnded(String),
    /// No character is left to mark places with.
    #[error("the messages use every private-use character of Unicode plane 16; remove some")]
    NoMark,
}

/// Turns conversations into tokens; shared by all requests.
pub trait PromptEncoder: Send + Sync {
    /// The tokens that the model continues with the assistant's answer, unless there are more than
    /// `most_tokens`, which is found out before they are all made.
    ///
    /// # Errors
    /// [`PromptError`], the client's to solve but for the renderer's.
    fn encode(
        &self,
        conversation: &Conversation,
        most_tokens: usize,
    ) -> Result<Vec<u32>, PromptError>;

    /// The text of the prompt, as the chat template writes it.
    ///
    /// # Errors
    /// [`PromptError`], the client's to solve but for the renderer's.
    fn render(&self, conversation: &Conversation) -> Result<String, PromptError>;

    /// How the model's answers are written.
    fn format(&self) -> &ChatFormat {
        &GENERIC
    }

    /// Whether a prompt ends in an open block of thoughts, which the answer goes on with.
    fn opens_thoughts(&self, _tokens: &[u32]) -> bool {
        false
    }
}
