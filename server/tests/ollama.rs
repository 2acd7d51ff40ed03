//! Ollama's API: lines of JSON, one object, and errors that are texts.
#![forbid(unsafe_code)]

mod common;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use common::{Formatted, Options, Server, body, get, text};
use http_body_util::BodyExt;
use serde_json::{Value, json};

fn talk(fields: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi there"}]});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    body
}

async fn lines(server: &Server, path: &str, fields: Value) -> Vec<Value> {
    let response = server.post(path, fields).await;
    assert_eq!(response.status(), StatusCode::OK);
    let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
    assert_eq!(kind, "application/x-ndjson");
    let all = text(response).await;
    assert!(all.ends_with('\n') && !all.contains("\n\n"));
    all.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn check_end(end: &Value, reason: &str, tokens: usize) {
    assert_eq!(end["done"], true, "{end}");
    assert_eq!(end["done_reason"], reason, "{end}");
    assert_eq!(end["prompt_eval_count"], 2, "{end}");
    assert_eq!(end["eval_count"], tokens, "{end}");
    for name in [
        "total_duration",
        "load_duration",
        "prompt_eval_duration",
        "eval_duration",
    ] {
        assert!(end[name].is_u64(), "{name}: {end}");
    }
    let made = end["created_at"].as_str().unwrap();
    assert!(made.contains('T') && made.ends_with('Z'), "{made}");
}

#[tokio::test]
async fn a_chat_is_streamed_unless_it_is_not_to_be() {
    let server = Server::start(Options::default());
    let options = json!({"options": {"num_predict": 2, "temperature": 0.1}, "keep_alive": "5m"});
    let streamed = lines(&server, "/api/chat", talk(options)).await;
    let said: Vec<&Value> = streamed
        .iter()
        .map(|line| &line["message"]["content"])
        .collect();
    assert_eq!(said, ["Hel", "lo", ""]);
    assert_eq!(streamed[0]["message"]["role"], "assistant");
    assert_eq!(
        (&streamed[0]["done"], &streamed[0]["model"]),
        (&json!(false), &json!("test/model"))
    );
    assert!(streamed[0].get("done_reason").is_none());
    check_end(&streamed[2], "length", 2);
    let whole = server
        .post("/api/chat", talk(json!({"stream": false})))
        .await;
    let whole = body(whole).await;
    assert_eq!(
        whole["message"],
        json!({"role": "assistant", "content": "Hello world!"})
    );
    check_end(&whole, "stop", 5);
}

#[tokio::test]
async fn a_prompt_is_answered_or_continued() {
    let server = Server::start(Options::default());
    let prompt = json!({"model": "m", "prompt": "there", "system": "hi", "stream": false});
    let whole = body(server.post("/api/generate", prompt).await).await;
    assert_eq!(whole["response"], "Hello world!");
    assert!(whole.get("message").is_none());
    check_end(&whole, "stop", 5);
    // The token that begins a text, and one word.
    let raw = json!({"model": "m", "prompt": "there", "raw": true, "options": {"num_predict": 1}});
    let streamed = lines(&server, "/api/generate", raw).await;
    assert_eq!(streamed[0]["response"], "Hel");
    check_end(&streamed[1], "length", 1);
}

#[tokio::test]
async fn thoughts_and_calls_have_their_own_fields() {
    let pieces = [
        "<think>Hm",
        "</think>",
        "Wait.<tool_call>{\"name\": \"f\", \"argum",
        "ents\": {\"a\": 1}}</tool_call>",
    ];
    let server = Server::start(Options {
        pieces: pieces.to_vec(),
        prompt: Formatted::like("<think>"),
        ..Options::default()
    });
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let fields = json!({"tools": tools});
    let mut streamed = lines(&server, "/api/chat", talk(fields)).await;
    let end = streamed.pop().unwrap();
    assert_eq!(
        (&end["done"], &end["done_reason"]),
        (&json!(true), &json!("stop"))
    );
    let calls = streamed.pop().unwrap()["message"].clone();
    let function = json!({"name": "f", "arguments": {"a": 1}});
    assert_eq!(calls["tool_calls"][0]["function"], function, "{calls}");
    assert_eq!(calls["tool_calls"].as_array().map(Vec::len), Some(1));
    let said: Vec<Value> = streamed
        .iter()
        .map(|line| line["message"].clone())
        .collect();
    let wanted = [
        json!({"role": "assistant", "content": "", "thinking": "Hm"}),
        json!({"role": "assistant", "content": "Wait."}),
    ];
    assert_eq!(said, wanted);

    let fields = json!({"tools": tools, "stream": false});
    let whole = body(server.post("/api/chat", talk(fields)).await).await;
    let message = &whole["message"];
    assert_eq!(message["thinking"], "Hm");
    assert_eq!(message["content"], "Wait.");
    assert_eq!(message["tool_calls"][0]["function"], function);
    let prompt = json!({"prompt": "a", "stream": false});
    let whole = body(server.post("/api/generate", prompt).await).await;
    assert_eq!(whole["thinking"], "Hm");
    assert!(
        whole["response"].as_str().unwrap().starts_with("Wait."),
        "{whole}"
    );
    let shown = server
        .post("/api/show", json!({"model": "test/model"}))
        .await;
    let wanted = json!(["completion", "tools", "thinking"]);
    assert_eq!(body(shown).await["capabilities"], wanted);
}

#[tokio::test]
async fn asking_for_nothing_finds_the_model_loaded() {
    let server = Server::start(Options::default());
    for path in ["/api/chat", "/api/generate"] {
        let loaded = body(server.post(path, json!({"model": "m"})).await).await;
        assert_eq!(
            (&loaded["done"], &loaded["done_reason"]),
            (&json!(true), &json!("load"))
        );
        assert!(loaded.get("eval_count").is_none());
    }
    assert_eq!(server.seen.lock().unwrap().admitted, 0);
}

#[tokio::test]
async fn logprobs_ride_on_their_token() {
    let server = Server::start(Options::default());
    let fields = json!({"logprobs": true, "options": {"num_predict": 1}});
    let streamed = lines(&server, "/api/chat", talk(fields.clone())).await;
    assert_eq!(streamed[0]["logprobs"][0]["token"], "Hel");
    assert!(streamed[1].get("logprobs").is_none());
    let mut fields = fields;
    fields["stream"] = json!(false);
    let whole = body(server.post("/api/chat", talk(fields)).await).await;
    assert_eq!(whole["logprobs"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn errors_are_texts() {
    let server = Server::start(Options::default());
    let cases = [
        (
            "/api/chat",
            talk(json!({"options": {"mirostat": 2}})),
            400,
            "mirostat",
        ),
        (
            "/api/chat",
            talk(json!({"options": {"num_predict": "x"}})),
            400,
            "num_predict",
        ),
        ("/api/chat", talk(json!({"format": "xml"})), 400, "format"),
        ("/api/chat", talk(json!({"tools": [{}]})), 400, "tools"),
        (
            "/api/chat",
            talk(json!({"options": {"n": 2}})),
            400,
            "n must be 1",
        ),
        (
            "/api/generate",
            json!({"prompt": "a", "suffix": "b"}),
            400,
            "suffix",
        ),
        ("/api/show", json!({"model": "other"}), 404, "other"),
        ("/api/show", json!({}), 400, "model"),
        ("/api/tags", json!({}), 405, "POST"),
        ("/api/pull", json!({}), 404, "/api/pull"),
    ];
    for (path, fields, status, part) in cases {
        let response = server.post(path, fields).await;
        assert_eq!(response.status(), status, "{path} {part}");
        let error = body(response).await["error"].clone();
        assert!(
            error.as_str().is_some_and(|text| text.contains(part)),
            "{error}"
        );
    }
    let late = json!({"messages": [{"role": "user", "content": "fail"}]});
    let streamed = lines(&server, "/api/chat", late).await;
    let last = streamed.last().unwrap()["error"].as_str().unwrap();
    assert!(last.contains("as the test asked"), "{last}");
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_lines_without_text() {
    let server = Server::start(Options {
        gated: true,
        ..Options::default()
    });
    let mut body = server.post("/api/chat", talk(json!({}))).await.into_body();
    let before = tokio::time::Instant::now();
    let line = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(before.elapsed().as_secs(), 10);
    let line: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(
        (&line["message"]["content"], &line["done"]),
        (&json!(""), &json!(false))
    );
}

#[tokio::test]
async fn the_model_is_listed_and_shown() {
    let server = Server::start(Options::default());
    let tags = body(server.send(get("/api/tags")).await).await;
    let tag = &tags["models"][0];
    assert_eq!(
        (&tag["name"], &tag["model"]),
        (&json!("test/model"), &json!("test/model"))
    );
    assert_eq!(tag["modified_at"], "2023-11-14T22:13:20Z");
    assert_eq!(tag["details"]["parameter_size"], "1.5B");
    for name in ["test/model", "test/model:latest"] {
        let shown = body(server.post("/api/show", json!({"model": name})).await).await;
        assert_eq!(shown["details"]["quantization_level"], "Q4_0");
        assert_eq!(shown["model_info"]["general.architecture"], "llama");
        assert_eq!(shown["capabilities"], json!(["completion", "tools"]));
    }
    let version = body(server.send(get("/api/version")).await).await;
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
}

/// curl, without being told, says that a body is a form.
#[tokio::test]
async fn a_body_is_json_whatever_it_is_declared_to_be() {
    let server = Server::start(Options::default());
    for (path, fields) in [
        ("/api/chat", talk(json!({"stream": false}))),
        ("/api/generate", json!({"prompt": "hi", "stream": false})),
        ("/api/show", json!({"model": "test/model"})),
    ] {
        for kind in [None, Some("application/x-www-form-urlencoded")] {
            let mut request = Request::post(path)
                .body(Body::from(fields.to_string()))
                .unwrap();
            if let Some(kind) = kind {
                request
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, kind.parse().unwrap());
            }
            assert_eq!(
                server.send(request).await.status(),
                StatusCode::OK,
                "{path}: {kind:?}"
            );
        }
    }
}
