//! What a template is handed beside messages: the time, and texts of tokens.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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

/// A message as the template sees it.
pub(super) type Fields = Map<String, Value>;
