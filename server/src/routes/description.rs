//! `GET /openapi.json`: what this server answers, for programs.

use std::sync::{Arc, OnceLock};

use axum::Extension;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::openapi::{Described, Endpoint, document};

/// The document, which is written when it is first asked for.
pub struct Document {
    endpoints: Vec<Endpoint>,
    text: OnceLock<Result<Bytes, ApiError>>,
}

impl Document {
    /// Of these endpoints.
    pub fn new(endpoints: Vec<Endpoint>) -> Arc<Self> {
        let text = OnceLock::new();
        Arc::new(Self { endpoints, text })
    }

    fn text(&self) -> Result<Bytes, ApiError> {
        let written = || match document(&self.endpoints) {
            Ok(document) => Ok(document.to_string().into()),
            Err(error) => Err(ApiError::internal(error.to_string())),
        };
        self.text.get_or_init(written).clone()
    }
}

/// The document.
///
/// # Errors
/// 500 if it cannot be written, which a test rules out.
pub async fn description(
    Extension(document): Extension<Arc<Document>>,
) -> Result<Response, ApiError> {
    let text = document.text()?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

/// What it says of itself.
pub fn described() -> Described {
    Described::new("openapi", "This description")
        .answered_freely()
        .never(&[503])
}
