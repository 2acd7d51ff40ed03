//! `GET /` and `GET /page/FILE`: the page for people, whose files are in `server/page` and part of the program.
//!
//! The page asks the same API as any other client. It needs no key itself, since it has to ask for one, and it loads
//! nothing from anywhere else, which its `Content-Security-Policy` holds it to.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::openapi::Described;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Files of this server, and nothing else: a text that a model made up cannot load or run anything.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// A file of the page.
struct File {
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
}

macro_rules! files {
    ($($name:literal: $content_type:expr),* $(,)?) => {
        [$(File {
            name: $name,
            content_type: $content_type,
            text: include_str!(concat!("../../page/", $name)),
        }),*]
    };
}

const INDEX: File = File {
    name: "index.html",
    content_type: HTML,
    text: include_str!("../../page/index.html"),
};

/// What [`INDEX`] loads, below `/page/`.
const FILES: [File; 22] = files! {
    "announce.js": SCRIPT,
    "answer.js": SCRIPT,
    "chart.js": SCRIPT,
    "chat.js": SCRIPT,
    "composer.js": SCRIPT,
    "conversation.js": SCRIPT,
    "copy.js": SCRIPT,
    "facts.js": SCRIPT,
    "icon.svg": SVG,
    "key.js": SCRIPT,
    "main.js": SCRIPT,
    "notice.js": SCRIPT,
    "rate.js": SCRIPT,
    "server.js": SCRIPT,
    "settings.js": SCRIPT,
    "speed.js": SCRIPT,
    "stream.js": SCRIPT,
    "style.css": CSS,
    "text.js": SCRIPT,
    "words.js": SCRIPT,
    "words/en.js": SCRIPT,
    "words/zh.js": SCRIPT,
};

/// The page itself.
pub async fn index(headers: HeaderMap) -> Response {
    INDEX.sent(&headers)
}

/// A file that the page loads.
///
/// # Errors
/// 404 for other names, 400 for what is none.
pub async fn file(
    method: Method,
    headers: HeaderMap,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path(name) = name.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    match FILES.iter().find(|file| file.name == name) {
        Some(file) => Ok(file.sent(&headers)),
        None => Err(ApiError::route_not_found(
            method.as_str(),
            &format!("/page/{name}"),
        )),
    }
}

/// What `/openapi.json` says of the page.
pub fn described() -> Described {
    Described::new("page", "The page for people: a chat, and how fast it is")
        .answered_as(HTML)
        .kept_by_clients()
        .never(&[401, 503])
}

/// What it says of the page's files.
pub fn file_described() -> Described {
    Described::new("pageFile", "A file that the page loads")
        .answered_as(SCRIPT)
        .answered_as(CSS)
        .answered_as(SVG)
        .kept_by_clients()
        .named("file", "A name that the page refers to")
        .never(&[401, 503])
}

impl File {
    /// The file, or that the client has it already.
    fn sent(&self, asked: &HeaderMap) -> Response {
        let tag = self.tag();
        let headers = [
            // The next version of the server has other files of the same names.
            (CACHE_CONTROL, "no-cache"),
            (ETAG, &tag),
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
        ];
        if is_known(asked, &tag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, [(CONTENT_TYPE, self.content_type)], self.text).into_response()
    }

    /// The same for the same text, whichever server sends it.
    fn tag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.text.hash(&mut hasher);
        format!("\"{:016x}\"", hasher.finish())
    }
}

/// Whether the client has a file with this tag. A proxy that compresses makes tags weak, by which files are compared
/// all the same.
fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let lists = asked.get_all(IF_NONE_MATCH).iter();
    let texts = lists.filter_map(|list| list.to_str().ok());
    texts
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}
