//! What OpenAI's API says of a failure.

use serde::Serialize;
use utoipa::ToSchema;

/// What every failure is told with.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody<'a> {
    /// The failure.
    pub error: ErrorObject<'a>,
}

/// A failure.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorObject<'a> {
    /// What is wrong, and what to do.
    pub message: &'a str,
    /// Whose fault it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The field that is wrong.
    pub param: Option<&'a str>,
    /// What is wrong, in a word.
    pub code: Option<&'static str>,
}
