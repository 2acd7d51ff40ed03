//! The page for people: its files, their headers, and that they need nothing from anywhere else.
#![forbid(unsafe_code)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use common::{Options, Server, body, get};
use http_body_util::BodyExt;

/// Begins the names of files of the page.
const BELOW: &str = "/page/";

/// Names that a text of the page may have though they begin like addresses: of a format, and never fetched.
const NAMES: [&str; 1] = ["http://www.w3.org/2000/svg"];

struct Sent {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Sent {
    fn header(&self, name: header::HeaderName) -> &str {
        let value = self.headers.get(&name).map(|value| value.to_str());
        value.unwrap_or(Ok("")).expect("a text")
    }
}

async fn sent(server: &Server, method: &str, path: &str, headers: &[(&str, &str)]) -> Sent {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = server.send(request.body(Body::empty()).unwrap()).await;
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    Sent {
        status: head.status,
        headers: head.headers,
        text: String::from_utf8(bytes.to_vec()).expect("UTF-8"),
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("page")
}

/// Paths of all files that are in the folder of the page, and their texts.
fn files() -> BTreeMap<String, String> {
    fn collect(folder: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            if path.is_dir() {
                collect(&path, &format!("{prefix}{name}/"), found);
            } else {
                let text = fs::read_to_string(&path).expect("a text");
                found.insert(format!("{prefix}{name}"), text);
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(&folder(), BELOW, &mut found);
    let index = found.remove("/page/index.html").expect("the page itself");
    found.insert("/".into(), index);
    assert!(found.len() > 10, "{found:?}");
    found
}

/// What stands between `before` and the next quotation mark, wherever `before` is.
fn quoted<'t>(text: &'t str, before: &'t str) -> impl Iterator<Item = &'t str> {
    let pieces = text.split(before).skip(1);
    pieces.filter_map(|piece| piece.split('"').next())
}

/// What a file makes a browser load.
fn loaded(path: &str, text: &str) -> BTreeSet<String> {
    let resolved = |name: &str| {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{}", name.trim_start_matches("./"))
    };
    let mut names: Vec<&str> = Vec::new();
    match path {
        "/" => names.extend(quoted(text, " href=\"").chain(quoted(text, " src=\""))),
        _ if path.ends_with(".js") => names.extend(quoted(text, " from \"")),
        _ => {}
    }
    // A place in the page itself is not loaded.
    let names = names.into_iter().filter(|name| !name.starts_with('#'));
    names.map(resolved).collect()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        None => "text/html; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        Some(_) => panic!("{path} is of a kind that this test does not know"),
    }
}

#[tokio::test]
async fn every_file_is_sent_with_headers_that_keep_everything_else_out() {
    let server = Server::start(Options::default());
    for (path, text) in files() {
        let file = sent(&server, "GET", &path, &[]).await;
        assert_eq!(file.status, StatusCode::OK, "{path}");
        assert_eq!(file.text, text, "{path}");
        let is = |name, wanted: &str| assert_eq!(file.header(name), wanted, "{path}");
        is(header::CONTENT_TYPE, content_type(&path));
        is(header::CACHE_CONTROL, "no-cache");
        is(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        is(header::REFERRER_POLICY, "no-referrer");
        is(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
             img-src 'self' data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
        );
    }
}

#[tokio::test]
async fn a_file_that_the_browser_has_is_not_sent_again() {
    let server = Server::start(Options::default());
    let mut tags = BTreeSet::new();
    for path in files().keys() {
        let file = sent(&server, "GET", path, &[]).await;
        let tag = file.header(header::ETAG);
        assert!(tag.len() > 10 && tag.starts_with('"'), "{path}: {tag}");
        assert!(tags.insert(tag.to_owned()), "{path} shares its tag");
        let weak = format!("W/{tag}");
        let many = format!("\"other\", {tag}");
        for known in [tag, &weak, &many, "*"] {
            let again = sent(&server, "GET", path, &[("if-none-match", known)]).await;
            assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{path}: {known}");
            assert_eq!(again.text, "", "{path}");
            assert_eq!(again.header(header::ETAG), tag, "{path}");
            assert_eq!(again.header(header::CACHE_CONTROL), "no-cache", "{path}");
        }
        let changed = sent(&server, "GET", path, &[("if-none-match", "\"other\"")]).await;
        assert_eq!(changed.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn head_is_answered_as_get_without_the_text() {
    let server = Server::start(Options::default());
    for (path, text) in files() {
        let head = sent(&server, "HEAD", &path, &[]).await;
        assert_eq!(head.status, StatusCode::OK, "{path}");
        assert_eq!(head.text, "", "{path}");
        let wanted = text.len().to_string();
        assert_eq!(head.header(header::CONTENT_LENGTH), wanted, "{path}");
        assert_eq!(
            head.header(header::CONTENT_TYPE),
            content_type(&path),
            "{path}"
        );
    }
}

#[tokio::test]
async fn it_needs_no_key_and_no_model() {
    let guarded = Server::start(Options {
        api_keys: vec!["sk-right".into()],
        ..Options::default()
    });
    let loading = Server::start(Options {
        ready: false,
        ..Options::default()
    });
    for path in files().keys() {
        for server in [&guarded, &loading] {
            let file = sent(server, "GET", path, &[]).await;
            assert_eq!(file.status, StatusCode::OK, "{path}");
        }
    }
    // What it shows does.
    let props = guarded.send(get("/props")).await;
    assert_eq!(props.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn other_names_are_not_found() {
    let server = Server::start(Options::default());
    for path in [
        "/page/../x",
        "/page/../src/main.rs",
        "/page/%2e%2e%2fsrc%2fmain.rs",
        "/page/words",
        "/page/words/",
        "/page/words/../chat.js",
        "/page//chat.js",
        "/page/chat.js.map",
        "/page/CHAT.js",
        "/page/index.html",
    ] {
        let response = server.send(get(path)).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(body(response).await["error"]["code"], "not_found", "{path}");
    }
    let response = server.send(get("/page/%ff")).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    for path in ["/", "/page/chat.js"] {
        let posted = sent(&server, "POST", path, &[]).await;
        assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
}

#[test]
fn what_it_loads_is_there_and_all_that_is_there_is_loaded() {
    let files = files();
    let there: BTreeSet<_> = files.keys().cloned().collect();
    let mut wanted = BTreeSet::from(["/".to_owned()]);
    for (path, text) in &files {
        wanted.extend(loaded(path, text));
    }
    assert_eq!(wanted, there);
}

#[test]
fn no_file_names_an_address_elsewhere() {
    for (path, mut text) in files() {
        for name in NAMES {
            text = text.replace(name, "");
        }
        for sign in [
            "http:", "https:", "ws:", "wss:", "\"//", "'//", "(//", "url(",
        ] {
            assert!(!text.contains(sign), "{path} has {sign}");
        }
    }
}

/// What a model wrote goes into the page as text, and the policy allows no script or style in the markup.
#[test]
fn texts_never_become_markup() {
    for (path, text) in files() {
        for sign in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "setHTML",
            "document.write",
            "DOMParser",
            "createContextualFragment",
            "eval(",
            "Function(",
            "javascript:",
        ] {
            assert!(!text.contains(sign), "{path} has {sign}");
        }
        let inline = ["<style", " style=", " onclick=", " onload=", "<script>"];
        let is_markup = path == "/" || path.ends_with(".svg");
        for sign in inline.into_iter().filter(|_| is_markup) {
            assert!(!text.contains(sign), "{path} has {sign}");
        }
    }
}
