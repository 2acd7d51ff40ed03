//! [`ApiError`]: every failure that a client sees, as the OpenAI error object.
//!
//! `{"error": {"message", "type", "param", "code"}}` with a status from which the openai client
//! picks its exception class. Messages are public; what only the operator should see is logged
//! where it happens.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::api::error::{ErrorBody, ErrorObject};

/// Seconds after which a client that was turned away should try again.
const RETRY_AFTER_SECONDS: &str = "5";

/// Longest public message, bytes: what a client sent may be quoted in it, and it goes to the log.
const LONGEST_MESSAGE: usize = 1000;

/// A failure with its HTTP status and OpenAI error object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    kind: &'static str,
    message: String,
    param: Option<String>,
    code: Option<&'static str>,
    retry: bool,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: shortened(message.into()),
            param: None,
            code: None,
            retry: false,
        }
    }

    fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    fn with_retry(mut self) -> Self {
        self.retry = true;
        self
    }

    /// 400: the request is wrong as a whole.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// 400: the field `param` is wrong.
    pub fn invalid_param(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            param: Some(param.into()),
            ..Self::invalid(message)
        }
    }

    /// 400: the field `param` asks for something that this server does not do.
    pub fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid_param(param, message).with_code("unsupported_parameter")
    }

    /// 400: the prompt in `param` and its answer do not fit.
    pub fn context_length(param: &str, message: impl Into<String>) -> Self {
        Self::invalid_param(param, message).with_code("context_length_exceeded")
    }

    /// The same error, which also says what may have led to it.
    #[must_use]
    pub fn with_hint(mut self, hint: &str) -> Self {
        self.message = shortened(format!("{}; {hint}", self.message));
        self
    }

    /// 401: no or a wrong API key.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "authentication_error", message)
            .with_code("invalid_api_key")
    }

    /// 404: no such model.
    pub fn model_not_found(name: &str, served: &str) -> Self {
        let message = format!("the model '{name}' is not served here; this server has '{served}'");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message)
            .with_code("model_not_found")
    }

    /// 404: no such route.
    pub fn route_not_found(method: &str, path: &str) -> Self {
        let message = format!(
            "there is no {method} {path}; see GET /v1/models and POST /v1/chat/completions"
        );
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message).with_code("not_found")
    }

    /// 405: the route exists for other methods.
    pub fn method_not_allowed(method: &str, path: &str) -> Self {
        let message = format!("{path} does not answer {method}");
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "invalid_request_error",
            message,
        )
        .with_code("method_not_allowed")
    }

    /// 408: the body did not arrive in time.
    pub fn too_slow(limit: Duration) -> Self {
        let message = format!(
            "the request body did not arrive within {} seconds",
            limit.as_secs()
        );
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "invalid_request_error",
            message,
        )
        .with_code("request_timeout")
    }

    /// 413: the body is larger than the server reads.
    pub fn body_too_large(limit_bytes: usize) -> Self {
        let message = format!("the request body is larger than {limit_bytes} bytes");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "invalid_request_error",
            message,
        )
        .with_code("request_too_large")
    }

    fn unreadable(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "invalid_request_error",
            message,
        )
        .with_code("unsupported_media_type")
    }

    /// 415: the body is not declared as JSON.
    pub fn not_json() -> Self {
        Self::unreadable(
            "the request body must be JSON; send the header Content-Type: application/json",
        )
    }

    /// 415: the body is JSON in another charset than it can have.
    pub fn other_charset(charset: &str) -> Self {
        Self::unreadable(format!(
            "the request body is declared to have the charset {charset:?}; JSON is sent in utf-8"
        ))
    }

    /// 415: the body is compressed, or encoded otherwise.
    pub fn encoded(encoding: &str) -> Self {
        Self::unreadable(format!(
            "the request body is encoded as {encoding:?}, which is not read here; send it as it is"
        ))
    }

    /// 429: as many requests wait as may.
    pub fn queue_full(limit: usize) -> Self {
        let message = format!("{limit} requests are waiting already; try again later");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message)
            .with_code("queue_full")
            .with_retry()
    }

    /// 503: loading, draining or failed.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable_error",
            message,
        )
        .with_code("unavailable")
        .with_retry()
    }

    /// 500: our failure.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", message)
            .with_code("internal_error")
    }

    /// 500: the model's values are no numbers.
    pub fn not_finite(message: impl Into<String>) -> Self {
        Self::internal(message).with_code("logits_not_finite")
    }

    /// The same error of a field that an API calls otherwise: `rename` has the name for one. Messages begin with
    /// the name of their field.
    pub fn renamed(mut self, rename: impl Fn(&str) -> Option<String>) -> Self {
        if let Some(old) = self.param.take() {
            let new = rename(&old).unwrap_or_else(|| old.clone());
            if let Some(rest) = self.message.strip_prefix(old.as_str()) {
                self.message = shortened(format!("{new}{rest}"));
            }
            self.param = Some(new);
        }
        self
    }

    /// The error object, as the body of a response or the data of an event.
    pub fn body(&self) -> Value {
        json!(ErrorBody {
            error: ErrorObject {
                message: &self.message,
                kind: self.kind,
                param: self.param.as_deref(),
                code: self.code,
            },
        })
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The public text.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// `message`, or its beginning where it is longer than [`LONGEST_MESSAGE`].
fn shortened(mut message: String) -> String {
    if message.len() > LONGEST_MESSAGE {
        let end = (0..=LONGEST_MESSAGE)
            .rev()
            .find(|end| message.is_char_boundary(*end));
        message.truncate(end.unwrap_or(0));
        message.push_str("...");
    }
    message
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        if self.retry {
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from_static(RETRY_AFTER_SECONDS),
            );
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Refused(self));
        response
    }
}

/// Marks a response that carries an error object, so that the access log can say why.
#[derive(Clone, Debug)]
pub struct Refused(pub ApiError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_all_four_keys() {
        let body = ApiError::invalid_param("stop", "too many").body();
        let wanted = r#"{"error":{"message":"too many","type":"invalid_request_error","param":"stop","code":null}}"#;
        assert_eq!(body.to_string(), wanted);
    }

    #[test]
    fn a_message_quotes_no_more_than_the_beginning_of_what_was_sent() {
        for (sent, wanted) in [("x", 1000), ("\u{20ac}", 333), ("\u{1f600}", 250)] {
            let error = ApiError::invalid(sent.repeat(5000));
            assert_eq!(error.message(), sent.repeat(wanted) + "...");
        }
        assert_eq!(ApiError::invalid("x".repeat(1000)).message().len(), 1000);
    }

    #[test]
    fn only_passing_failures_ask_to_try_again() {
        let again = |error: ApiError| {
            error
                .into_response()
                .headers()
                .contains_key(header::RETRY_AFTER)
        };
        assert!(again(ApiError::queue_full(4)));
        assert!(again(ApiError::unavailable("loading")));
        assert!(!again(ApiError::invalid("no")));
        assert!(!again(ApiError::internal("no")));
    }
}
