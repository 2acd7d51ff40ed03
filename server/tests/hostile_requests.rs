//! Requests that are made to harm: each gets a clear answer soon, and others are answered meanwhile.
#![forbid(unsafe_code)]

mod common;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, header};
use common::vocabulary::{END, tokenizer};
use common::{Options, Server, ask, body, chat_request};
use serde_json::{Value, json};
use sysinfer_server::connections::{self, Limits};
use sysinfer_server::constraint::Grammars;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tower::ServiceExt;

const MINUTE: Duration = Duration::from_secs(60);

/// Where bodies are read, and the least that each can be asked.
const ENDPOINTS: [(&str, &str); 9] = [
    (
        "/v1/chat/completions",
        r#""messages": [{"role": "user", "content": "a"}]"#,
    ),
    ("/v1/completions", r#""prompt": "a""#),
    ("/v1/responses", r#""input": "a""#),
    ("/tokenize", r#""content": "a""#),
    ("/detokenize", r#""tokens": [5]"#),
    (
        "/apply-template",
        r#""messages": [{"role": "user", "content": "a"}]"#,
    ),
    (
        "/api/chat",
        r#""messages": [{"role": "user", "content": "a"}], "stream": false"#,
    ),
    ("/api/generate", r#""prompt": "a", "stream": false"#),
    ("/api/show", r#""model": "test/model""#),
];

fn server() -> Server {
    let tokenizer = tokenizer();
    let size = tokenizer.vocabulary_size();
    let grammars = Grammars::new(&tokenizer, size, Some(END));
    Server::start(Options {
        grammars: Some(grammars.expect("it can say everything")),
        queue_limit: 64,
        ..Options::default()
    })
}

fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.into())
        .unwrap()
}

/// The error's text, in the form of OpenAI or of Ollama.
fn message(body: &Value) -> String {
    let error = &body["error"];
    let text = error["message"].as_str().or(error.as_str());
    text.unwrap_or_else(|| panic!("no error: {body}"))
        .to_owned()
}

async fn refused(server: &Server, request: Request<Body>, status: u16, why: &str) {
    let what = request.uri().to_string();
    let response = server.send(request).await;
    assert_eq!(response.status(), status, "{what}: {why}");
    let message = message(&body(response).await);
    assert!(message.contains(why), "{what}: {message}");
    assert!(message.len() < 1100, "{what}: {} bytes", message.len());
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused_by_every_endpoint() {
    let server = server();
    let nested = |depth: usize| format!("{{\"x\": {}", "[".repeat(depth));
    let closed = |depth: usize| nested(depth) + &"]".repeat(depth) + "}";
    let objects = "{\"x\": ".repeat(10_000) + "1" + &"}".repeat(10_000);
    for (path, fields) in ENDPOINTS {
        let with = |more: &str| format!("{{{fields}, {more}}}");
        let answered = server.send(post(path, with("\"x\": 1"))).await;
        assert_eq!(answered.status(), StatusCode::OK, "{path}");
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (nested(10_000).into(), "recursion limit"),
            (closed(10_000).into(), "recursion limit"),
            (nested(1_000_000).into(), "recursion limit"),
            (closed(1_000_000).into(), "recursion limit"),
            (objects.clone().into(), "recursion limit"),
            (b"{\"x\": \"\xC3\x28\"}".into(), "unicode"),
            (b"{\"x\": \"\xED\xA0\x80\"}".into(), "unicode"),
            (with(r#""x": "\ud800""#).into(), "hex escape"),
            (
                format!("\u{feff}{}", with("\"x\": 1")).into(),
                "byte order mark",
            ),
            (
                with("\"x\": 1")
                    .encode_utf16()
                    .flat_map(u16::to_le_bytes)
                    .collect(),
                "not valid JSON",
            ),
            (with("\"x\": 1, \"x\": 2").into(), "\"x\" is there twice"),
            (
                with("\"y\": {\"x\": 1, \"x\": 1}").into(),
                "\"x\" is there twice",
            ),
            (with("\"x\": NaN").into(), "not valid JSON"),
            (with("\"x\": -Infinity").into(), "not valid JSON"),
            (with("\"x\": 1e999").into(), "out of range"),
            (with("\"x\": 01").into(), "not valid JSON"),
            (with("\"x\": 1,").into(), "trailing comma"),
            (format!("{} {{}}", with("\"x\": 1")).into(), "trailing"),
            (b"\0".into(), "not valid JSON"),
            (b"".into(), "not valid JSON"),
            (b"null".into(), "must be a JSON object"),
            (b"\"text\"".into(), "must be a JSON object"),
        ];
        for (text, why) in cases {
            refused(&server, post(path, text), 400, why).await;
        }
    }
}

#[tokio::test]
async fn unknown_fields_pass_whatever_they_hold() {
    let server = server();
    let names: String = (0..100_000)
        .map(|number| format!(", \"x{number}\": 1"))
        .collect();
    for (path, fields) in ENDPOINTS {
        for more in [r#", "x": {"y": [1e300, -0.0, "\u0000"]}"#, &names] {
            let answered = server.send(post(path, format!("{{{fields}{more}}}"))).await;
            assert_eq!(answered.status(), StatusCode::OK, "{path}");
        }
    }
}

#[tokio::test]
async fn numbers_beyond_all_sense_are_refused_by_their_names() {
    let server = server();
    let fields = [
        "temperature",
        "top_p",
        "min_p",
        "top_k",
        "max_tokens",
        "max_output_tokens",
        "min_tokens",
        "n",
        "best_of",
        "presence_penalty",
        "frequency_penalty",
        "repetition_penalty",
        "repeat_last_n",
        "n_predict",
        "seed",
    ];
    for (path, least) in &ENDPOINTS[..3] {
        for name in fields {
            for number in [
                "1e300",
                "-1e300",
                "1e18",
                "18446744073709551616",
                "9223372036854775808",
            ] {
                let text = format!("{{{least}, \"{name}\": {number}}}");
                let response = server.send(post(path, text)).await;
                assert_eq!(
                    response.status(),
                    StatusCode::BAD_REQUEST,
                    "{path} {name}: {number}"
                );
                let error = body(response).await["error"].clone();
                assert_eq!(error["param"], name, "{error}");
            }
        }
    }
}

#[tokio::test]
async fn encoded_bodies_and_other_charsets_are_refused_by_name() {
    let server = server();
    for (path, fields) in ENDPOINTS {
        let sent = |name: header::HeaderName, value: &str| {
            let mut request = post(path, format!("{{{fields}}}"));
            request.headers_mut().insert(name, value.parse().unwrap());
            request
        };
        for encoding in ["gzip", "br", "deflate", "zstd", "identity, gzip", "x-bomb"] {
            let name = encoding.rsplit(' ').next().unwrap();
            refused(&server, sent(header::CONTENT_ENCODING, encoding), 415, name).await;
        }
        let plain = server
            .send(sent(header::CONTENT_ENCODING, "Identity"))
            .await;
        assert_eq!(plain.status(), StatusCode::OK, "{path}");
        for kind in [
            "application/json; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
        ] {
            let read = server.send(sent(header::CONTENT_TYPE, kind)).await;
            assert_eq!(read.status(), StatusCode::OK, "{path}: {kind}");
        }
        if path.starts_with("/api/") {
            continue;
        }
        for charset in ["utf-16", "iso-8859-1"] {
            let kind = format!("application/json; charset={charset}");
            refused(&server, sent(header::CONTENT_TYPE, &kind), 415, charset).await;
        }
        for kind in [
            "",
            "text/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
        ] {
            refused(
                &server,
                sent(header::CONTENT_TYPE, kind),
                415,
                "Content-Type",
            )
            .await;
        }
    }
}

/// A body of which nothing says how long it is, and which does not end.
fn endless(piece: &'static str) -> Body {
    let pieces = tokio_stream::iter(std::iter::repeat_with(move || {
        Ok::<_, Infallible>(Bytes::from(piece))
    }));
    Body::from_stream(pieces)
}

#[tokio::test]
async fn an_endless_body_is_read_to_the_limit() {
    let server = server();
    for (path, _) in ENDPOINTS {
        for piece in [" ", "[", "{\"x\": "].map(|piece| &*piece.repeat(10_000).leak()) {
            let response = timeout(MINUTE, server.send(post(path, endless(piece))));
            assert_eq!(
                response.await.unwrap().status(),
                StatusCode::PAYLOAD_TOO_LARGE,
                "{path}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_is_given_up() {
    let server = server();
    let slow = tokio_stream::iter(std::iter::repeat_with(|| {
        Ok::<_, Infallible>(Bytes::from(" "))
    }));
    let slow = slow.throttle(Duration::from_secs(1));
    let response = server
        .send(post("/v1/chat/completions", Body::from_stream(slow)))
        .await;
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
}

async fn listen(server: &Server) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits {
        connections: 100,
        head: MINUTE,
        write: MINUTE,
    };
    let never = std::future::pending();
    tokio::spawn(connections::serve(listener, server.service(limits), never));
    address
}

/// The status of the answer to what is sent, and all that comes until the server closes or `end` is there.
async fn exchanged(address: SocketAddr, text: &[u8], end: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = socket.split();
    let mut all = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&all).contains(end)
            && reader.read_buf(&mut all).await.is_ok_and(|count| count > 0)
        {}
    };
    // A server that has answered need not read the rest.
    let exchange = async { tokio::join!(writer.write_all(text), read) };
    let _ = timeout(MINUTE, exchange).await.expect("an answer in time");
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused_and_harm_nobody() {
    let server = server();
    let address = listen(&server).await;
    let many: String = (0..10_000)
        .map(|number| format!("x-{number}: y\r\n"))
        .collect();
    let long = format!("x-long: {}\r\n", "y".repeat(1 << 20));
    let path = format!("/{}", "y".repeat(1 << 20));
    for (path, headers) in [
        ("/health", &many),
        ("/health", &long),
        (&*path, &String::new()),
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        let answer = exchanged(address, head.as_bytes(), "\r\n\r\n").await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["431", "414"].contains(&status), "{answer:.80}");
        let healthy = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
        let answer = exchanged(address, healthy.as_bytes(), "ok").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn chunks_may_have_extensions_and_trailers_and_must_be_chunks() {
    let server = server();
    let address = listen(&server).await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    let chunk = ask("hi", json!({})).to_string();
    let length = chunk.len();
    let valid =
        format!("{head}Trailer: x-end\r\n\r\n{length:x};a=b\r\n{chunk}\r\n0\r\nx-end: y\r\n\r\n");
    let answer = exchanged(address, valid.as_bytes(), "Hello world!").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for wrong in [
        format!("{head}\r\n{length:x}\r\n{chunk}XX0\r\n\r\n"),
        format!("{head}\r\nffffffffffffffffff\r\n{chunk}\r\n0\r\n\r\n"),
        format!("{head}\r\n-1\r\n{chunk}\r\n0\r\n\r\n"),
        format!("{head}Content-Length: 3\r\n\r\n-1\r\n"),
        format!(
            "{}\r\n{length:x}\r\n{chunk}\r\n0\r\n\r\n",
            head.replace("chunked", "gzip, chunked")
        ),
    ] {
        let answer = exchanged(address, wrong.as_bytes(), "\r\n\r\n").await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(
            status.starts_with('4') || answer.is_empty(),
            "{wrong:.200}: {answer:.200}"
        );
    }
}

/// Schemas, expressions and grammars that cost more than they are worth.
fn bombs() -> Vec<(&'static str, &'static str, Value)> {
    let chain = |count: usize| {
        let link = |number| {
            (
                format!("d{number}"),
                json!({"$ref": format!("#/$defs/d{}", number + 1)}),
            )
        };
        let mut links: serde_json::Map<String, Value> = (0..count).map(link).collect();
        links.insert(format!("d{count}"), json!({"type": "string"}));
        json!({"$ref": "#/$defs/d0", "$defs": links})
    };
    let fan = |depth: usize, width: usize| {
        let level = |number| {
            let next = json!({"$ref": format!("#/$defs/d{}", number + 1)});
            let fields = (0..width).map(|field| (format!("f{field}"), next.clone()));
            let fields: serde_json::Map<String, Value> = fields.collect();
            (
                format!("d{number}"),
                json!({"type": "object", "properties": fields}),
            )
        };
        let mut levels: serde_json::Map<String, Value> = (0..depth).map(level).collect();
        levels.insert(format!("d{depth}"), json!({"type": "string"}));
        json!({"$ref": "#/$defs/d0", "$defs": levels})
    };
    let inlined = (0..30).fold(
        json!({"type": "string"}),
        |inner, number| json!({"type": "object", "properties": {(format!("f{number}")): inner}}),
    );
    let choices: Vec<String> = (0..100_000)
        .map(|number| format!("choice number {number}"))
        .collect();
    let of_schemas = |kind: &str| {
        let options = (0..200)
            .map(|number| json!({"properties": {(format!("f{number}")): {"type": "integer"}}}));
        json!({(kind): options.collect::<Vec<Value>>()})
    };
    let alternatives = "(a|a|aa)".repeat(2000);
    let schema = "schema";
    let mut all = vec![
        ("a long chain of references", schema, chain(10_000)),
        ("references that fan out", schema, fan(30, 30)),
        ("a reference to itself", schema, json!({"$ref": "#"})),
        (
            "references in a circle",
            schema,
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
        ),
        (
            "a reference to a file",
            schema,
            json!({"$ref": "file:///etc/passwd"}),
        ),
        ("a huge enum", schema, json!({"enum": choices})),
        (
            "a billion items",
            schema,
            json!({"type": "array", "items": {"type": "integer"}, "minItems": 1e9}),
        ),
        (
            "at most a billion items",
            schema,
            json!({"type": "array", "items": {"type": "integer"}, "maxItems": 1e9}),
        ),
        (
            "a billion characters",
            schema,
            json!({"type": "string", "minLength": 1_000_000_000}),
        ),
        (
            "a billion properties",
            schema,
            json!({"type": "object", "minProperties": 1_000_000_000}),
        ),
        (
            "a pattern with nested quantifiers",
            schema,
            json!({"type": "string", "pattern": "^((a{1,1000}){1,1000}){1,1000}$"}),
        ),
        (
            "a pattern that is no end of alternatives",
            schema,
            json!({"type": "string", "pattern": alternatives}),
        ),
        (
            "a number of endless digits",
            schema,
            json!({"type": "number", "multipleOf": 1e-300}),
        ),
        ("all of many", schema, of_schemas("allOf")),
        ("any of many", schema, of_schemas("anyOf")),
        ("one of many", schema, of_schemas("oneOf")),
        ("deep objects", schema, inlined),
    ];
    for (name, text) in [
        (
            "nested quantifiers",
            "((a{1,1000}){1,1000}){1,1000}b".to_owned(),
        ),
        (
            "stars of stars",
            format!("{}a{}", "(".repeat(90), ")*".repeat(90)),
        ),
        (
            "alternatives",
            format!("({})*b", ["a|b|ab"; 5000].join("|")),
        ),
        ("counted alternatives", "(a|b|ab|ba){1,100000}c".to_owned()),
        ("intersecting ends", ".*a.{500}b.{500}".to_owned()),
        ("a class of everything", r"[\s\S]{0,100000}x".to_owned()),
        (
            "unicode classes",
            r"(\p{L}|\p{N}|\p{S}){1,1000}(\w|\d)*".to_owned(),
        ),
        ("long", "a".repeat(60_000)),
    ] {
        all.push((name, "regex", text.into()));
    }
    let rules = |count: usize, body: &dyn Fn(usize) -> String| {
        let rules = (0..count).map(|number| format!("r{number} ::= {}\n", body(number)));
        format!(
            "root ::= r0\n{}r{count} ::= \"x\"\n",
            rules.collect::<String>()
        )
    };
    for (name, text) in [
        (
            "rules that double",
            rules(1000, &|number| format!("r{0} r{0}", number + 1)),
        ),
        (
            "rules that are ambiguous",
            "root ::= root root | \"a\" | \"\"".to_owned(),
        ),
        (
            "left recursion",
            "root ::= root \"a\" | root | \"b\"".to_owned(),
        ),
        (
            "repetitions of repetitions",
            "root ::= ((\"a\"{1,1000}){1,1000}){1,1000}".to_owned(),
        ),
        (
            "a billion repetitions",
            "root ::= \"a\"{1000000000}".to_owned(),
        ),
        (
            "empty rules",
            rules(1000, &|number| format!("r{} | \"\"", number + 1)),
        ),
    ] {
        all.push((name, "grammar", text.into()));
    }
    all
}

/// Requests that ask for a form by its names in several APIs.
fn asking(kind: &str, bomb: &Value) -> Vec<(&'static str, Value)> {
    let talk = "/v1/chat/completions";
    let chat = |fields: Value| (talk, ask("a", fields));
    match kind {
        "schema" => vec![
            chat(
                json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": bomb}}}),
            ),
            (
                "/v1/completions",
                json!({"prompt": "a", "guided_json": bomb}),
            ),
            (
                "/v1/responses",
                json!({"input": "a", "text": {"format": {"type": "json_schema", "name": "x", "schema": bomb}}}),
            ),
            (
                "/api/generate",
                json!({"prompt": "a", "stream": false, "format": bomb}),
            ),
            chat(
                json!({"tool_choice": "required", "tools": [{"type": "function", "function": {
                "name": "f", "parameters": {"type": "object", "properties": {"a": bomb}}}}]}),
            ),
        ],
        "regex" => vec![chat(json!({"guided_regex": bomb}))],
        _ => vec![
            chat(json!({"guided_grammar": bomb})),
            ("/v1/completions", json!({"prompt": "a", "grammar": bomb})),
        ],
    }
}

/// What costs too much is refused; what is only large is followed. Neither keeps others waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_that_cost_too_much_are_refused_while_others_are_answered() {
    let server = server();
    for (name, kind, bomb) in bombs() {
        for (path, asked) in asking(kind, &bomb) {
            let began = Instant::now();
            let bombed = tokio::spawn(server.app().oneshot(post(path, asked.to_string())));
            let other = timeout(
                MINUTE,
                server.send(chat_request(&ask("hi", json!({})).to_string())),
            );
            assert_eq!(
                other.await.expect("others are answered").status(),
                StatusCode::OK,
                "{name}"
            );
            let response = timeout(2 * MINUTE, bombed)
                .await
                .unwrap_or_else(|_| panic!("{name} at {path} takes for ever"));
            let response = response.unwrap().unwrap();
            let status = response.status();
            let answer = body(response).await;
            println!(
                "{name} ({kind}) at {path}: {status} after {:?}",
                began.elapsed()
            );
            match status {
                StatusCode::OK => {}
                StatusCode::BAD_REQUEST => {
                    assert!(message(&answer).len() < 1100, "{name}: {answer}")
                }
                _ => panic!("{name} at {path}: {status} {answer}"),
            }
        }
    }
}
