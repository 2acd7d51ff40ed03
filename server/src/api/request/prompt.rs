//! What is read by the model without a chat template: texts, or tokens.

use serde::Deserialize;

use crate::api::take::Fields;
use crate::error::ApiError;

/// One text to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WirePrompt {
    /// Text.
    Text(String),
    /// Token ids.
    Tokens(Vec<u32>),
}

impl WirePrompt {
    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Tokens(tokens) => tokens.is_empty(),
        }
    }
}

/// Takes a field that is one of them or a list; `None` where it is absent.
///
/// # Errors
/// A 400 that names the field.
pub(super) fn take(fields: &mut Fields, name: &str) -> Result<Option<Vec<WirePrompt>>, ApiError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Sent {
        Text(String),
        Texts(Vec<String>),
        Tokens(Vec<u32>),
        Lists(Vec<Vec<u32>>),
    }
    let sent = fields.take(name).map_err(|_| wrong(name))?;
    Ok(sent.map(|sent| match sent {
        Sent::Text(text) => vec![WirePrompt::Text(text)],
        Sent::Texts(texts) => texts.into_iter().map(WirePrompt::Text).collect(),
        Sent::Tokens(tokens) => vec![WirePrompt::Tokens(tokens)],
        Sent::Lists(lists) => lists.into_iter().map(WirePrompt::Tokens).collect(),
    }))
}

/// The error of a field that is none of these.
pub(super) fn wrong(name: &str) -> ApiError {
    let wanted =
        format!("{name} must be a text, a list of texts, a list of token ids, or a list of these");
    ApiError::invalid_param(name, wanted)
}
