//! The requests of euler-copilot-framework, and what its clients stumble over.
//!
//! | what it sends, or stumbles over | held by |
//! |---|---|
//! | streamed answers of every release | here |
//! | `guided_json`, JSON mode, structured output, Ollama's `format` | here; with a model, `tests/tests/constrained_answers.rs` |
//! | functions without `tool_choice` | `tools.rs` |
//! | results of tools under an empty id | here |
//! | text that comes with the first chunk is lost | here, and the chunk itself in `stream.rs` |
//! | any `reasoning_content` means thoughts; `<think>` only as a whole | here, and `tools.rs` |
//! | fields at the top level that nobody knows | here, and `fields.rs` |
//! | a chunk without choices where usage was not asked for | `stream.rs` |
//! | tries again after a time-out | here; silence is broken in `stream.rs` |
//! | any key, where none is configured | here; configured ones in `api.rs` |
//! | ways of drawing beside the messages | `fields.rs`, `server/src/validate/tests.rs` |
//! | more tokens than the server gives | here, and `server/src/validate/tests.rs` |
//! | names of fields like `/a~b.c` | here, and `server/src/constraint/grammars/tests.rs` |
//! | its real client library | `tests/clients/eulercopilot.py` |
#![forbid(unsafe_code)]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{StatusCode, header};
use common::{Formatted, Options, Server, ask, body, chat_request, events, stubborn, text};
use serde_json::{Map, Value, json};
use sysinfer_server::connections::{self, Limits};
use sysinfer_server::prompt::{Conversation, PromptEncoder, PromptError};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// The chunks of a stream.
async fn chunks(server: &Server, content: &str, fields: Value) -> Vec<Value> {
    let response = server.chat(ask(content, fields)).await;
    assert_eq!(response.status(), StatusCode::OK);
    let mut data = events(&text(response).await);
    assert_eq!(data.pop().as_deref(), Some("[DONE]"));
    let parsed = data.iter().map(|chunk| serde_json::from_str(chunk));
    parsed.collect::<Result<_, _>>().unwrap()
}

/// The text as a release reads it that drops what the first chunk says.
fn without_the_first(chunks: &[Value]) -> String {
    let deltas = chunks[1..]
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"]["content"]);
    deltas.filter_map(Value::as_str).collect()
}

#[tokio::test]
async fn an_answer_is_streamed_with_thinking_off_and_nothing_is_lost_with_the_first_chunk() {
    let server = Server::start(Options::default());
    let fields = json!({
        "stream": true, "stream_options": {"include_usage": true}, "max_completion_tokens": 8192,
        "temperature": 0.7, "enable_thinking": false,
    });
    let mut chunks = chunks(&server, "hi /no_think", fields).await;
    let last = chunks.pop().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 5);
    assert_eq!(without_the_first(&chunks), "Hello world!");
    for chunk in &chunks {
        let delta = &chunk["choices"][0]["delta"];
        assert!(delta.get("reasoning_content").is_none(), "{delta}");
    }
}

#[tokio::test]
async fn a_model_that_thinks_has_a_first_chunk_without_thoughts_too() {
    let server = Server::start(Options {
        pieces: vec!["<think>", "Hm", "</think>", "Yes"],
        prompt: Formatted::like("<think>"),
        ..Options::default()
    });
    let chunks = chunks(&server, "hi", json!({"stream": true})).await;
    let first = json!({"role": "assistant", "content": ""});
    assert_eq!(chunks[0]["choices"][0]["delta"], first);
    assert_eq!(
        chunks[1]["choices"][0]["delta"],
        json!({"reasoning_content": "Hm"})
    );
    assert_eq!(without_the_first(&chunks), "Yes");
}

#[tokio::test]
async fn every_release_has_its_name_for_the_limit() {
    let server = Server::start(Options::default());
    for name in ["max_completion_tokens", "max_tokens"] {
        let fields = json!({"stream": true, "stream_options": {"include_usage": true}, name: 2});
        let chunks = chunks(&server, "hi", fields).await;
        assert_eq!(without_the_first(&chunks[..chunks.len() - 1]), "Hello");
        assert_eq!(chunks.last().unwrap()["usage"]["completion_tokens"], 2);
        // Its default is more than this server gives, which is no reason to refuse.
        let response = server.chat(ask("hi", json!({name: 8192}))).await;
        assert_eq!(response.status(), StatusCode::OK, "{name}");
    }
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {"/a~b.c": {"enum": ["start", "stop"]}, "n": {"type": "integer", "minimum": 10, "maximum": 99}},
        "required": ["/a~b.c", "n"],
        "additionalProperties": false,
    })
}

#[tokio::test]
async fn every_kind_of_form_is_kept_by_a_model_that_would_say_something_else() {
    let server = stubborn::server("No}{\":1b,");
    let free = body(server.chat(ask("hi", json!({"max_tokens": 3}))).await).await;
    assert_eq!(free["choices"][0]["message"]["content"], "NNN");
    let wanted = r#"{"/a~b.c":"stop","n":11}"#;
    let named = json!({"name": "generate", "description": "d", "schema": schema(), "strict": true});
    let cases = [
        (json!({"guided_json": schema()}), wanted),
        (json!({"structured_outputs": {"json": schema()}}), wanted),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": named}}),
            wanted,
        ),
        (json!({"response_format": {"type": "json_object"}}), "{}"),
        (json!({"guided_choice": ["yes", "Now"]}), "Now"),
        (json!({"guided_regex": "[a-c]{2}"}), "bb"),
    ];
    for (fields, wanted) in cases {
        let mut asked = ask("hi", fields.clone());
        asked["temperature"] = json!(0.7);
        asked["max_tokens"] = json!(8192);
        let answer = body(server.chat(asked).await).await;
        let choice = &answer["choices"][0];
        assert_eq!(choice["message"]["content"], wanted, "{fields}: {answer}");
        assert_eq!(choice["finish_reason"], "stop", "{fields}");
    }
    let ollama = json!({
        "model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": false,
        "format": schema(), "options": {"num_predict": 200, "temperature": 0.7},
    });
    let answer = body(server.post("/api/chat", ollama).await).await;
    assert_eq!(answer["message"]["content"], wanted, "{answer}");
}

#[tokio::test]
async fn a_form_that_cannot_be_kept_is_refused_and_never_ignored() {
    let server = stubborn::server("x");
    let conditional = json!({"type": "object", "if": {}, "then": {}});
    let response = server
        .chat(ask("hi", json!({"guided_json": conditional})))
        .await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(body(response).await["error"]["param"], "guided_json");
}

/// Notes the conversations that it is to render.
#[derive(Default)]
struct Noting(Mutex<Vec<Conversation>>);

impl PromptEncoder for Noting {
    fn encode(&self, conversation: &Conversation, most: usize) -> Result<Vec<u32>, PromptError> {
        self.0.lock().unwrap().push(conversation.clone());
        PromptEncoder::encode(&common::Words, conversation, most)
    }

    fn render(&self, conversation: &Conversation) -> Result<String, PromptError> {
        common::Words.render(conversation)
    }
}

/// A server, and the conversations that reach its template.
fn noting() -> (Server, Arc<Noting>) {
    let noting = Arc::new(Noting::default());
    let server = Server::start(Options {
        prompt: Arc::clone(&noting) as Arc<dyn PromptEncoder>,
        ..Options::default()
    });
    (server, noting)
}

#[tokio::test]
async fn thinking_is_the_templates_to_turn_off_and_what_nobody_knows_passes() {
    let (server, noting) = noting();
    let cases = [
        json!({"enable_thinking": false}),
        json!({"chat_template_kwargs": {"enable_thinking": false}}),
        json!({"enable_thinking": false, "thinking_budget": 100, "x_of_somebody": {"a": [1]}, "extraConfig": {}}),
    ];
    for fields in cases {
        let response = server.chat(ask("hi", fields.clone())).await;
        assert_eq!(response.status(), StatusCode::OK, "{fields}");
        let seen = noting.0.lock().unwrap().pop().unwrap();
        let wanted = Map::from_iter([("enable_thinking".to_owned(), json!(false))]);
        assert_eq!(seen.variables, wanted, "{fields}");
    }
}

#[tokio::test]
async fn results_of_tools_are_taken_under_an_empty_id() {
    let (server, noting) = noting();
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "run", "arguments": "{\"a\": 1}"}});
    let messages = json!([
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "", "content": "done"},
    ]);
    let tool =
        json!({"type": "function", "function": {"name": "run", "parameters": {"type": "object"}}});
    let fields =
        json!({"messages": messages, "tools": [tool], "max_tokens": 8, "temperature": 0.7});
    let response = server.chat(fields).await;
    assert_eq!(response.status(), StatusCode::OK);
    let seen = noting.0.lock().unwrap().pop().unwrap();
    assert_eq!(seen.messages.len(), 4);
    assert_eq!(seen.messages[3].fields["tool_call_id"], "");
    assert_eq!(seen.messages[2].arguments, [Some(json!({"a": 1}))]);
}

#[tokio::test]
async fn any_key_is_accepted_where_none_is_configured() {
    let server = Server::start(Options::default());
    let keys = [
        "Bearer sk-any",
        "Bearer ",
        "Bearer",
        "Bearer EMPTY",
        "Basic eDp5",
        "sk-<your-api-key>",
    ];
    for key in keys.map(Some).into_iter().chain([None]) {
        let mut request = chat_request(&ask("hi", json!({})).to_string());
        if let Some(key) = key {
            let headers = request.headers_mut();
            headers.insert(header::AUTHORIZATION, key.parse().unwrap());
        }
        assert_eq!(
            server.send(request).await.status(),
            StatusCode::OK,
            "{key:?}"
        );
    }
}

/// Sends a request over a socket of its own, which the client closes when it gives up.
async fn sent(address: std::net::SocketAddr, body: &Value) -> TcpStream {
    let body = body.to_string();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

/// Its client tries twice more after a time-out. One request may wait here: a try that stayed would have the
/// next one turned away, and the engine would work for all of them.
#[tokio::test]
async fn three_tries_of_a_client_that_gives_up_are_one_job() {
    let minute = Duration::from_secs(60);
    for stream in [true, false] {
        let mut server = Server::start(Options {
            gated: true,
            queue_limit: 1,
            ..Options::default()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits {
            connections: 10,
            head: minute,
            write: minute,
        };
        let never = std::future::pending();
        tokio::spawn(connections::serve(listener, server.service(limits), never));
        let other = server.chat(ask("hi", json!({"stream": true}))).await;
        server.until(|seen| seen.admitted == 1).await;

        let slow = ask("hi", json!({"stream": stream}));
        for _ in 0..3 {
            let socket = sent(address, &slow).await;
            until(|| server.state.queue.is_full()).await;
            drop(socket);
            until(|| !server.state.queue.is_full()).await;
        }
        drop(server.permits.take());
        assert_eq!(events(&text(other).await).last().unwrap(), "[DONE]");
        let last = server.chat(slow).await;
        assert_eq!(last.status(), StatusCode::OK);
        assert!(!text(last).await.is_empty());
        assert_eq!(
            server.seen.lock().unwrap().admitted,
            2,
            "the other, and the last"
        );
    }
}

/// Waits until something is so; a minute without is a failure.
async fn until(reached: impl Fn() -> bool) {
    for _ in 0..6000 {
        if reached() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it was never so");
}
