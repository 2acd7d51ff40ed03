//! Plain requests: shapes of answers, and every error as an OpenAI error object.
#![forbid(unsafe_code)]

mod common;

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use common::{Options, Server, ask, body, chat_request, get};
use serde_json::{Value, json};
use sysinfer_server::cors::Origins;
use sysinfer_server::reload::Reload;

#[tokio::test]
async fn a_whole_answer_has_the_shape_that_clients_expect() {
    let server = Server::start(Options::default());
    let response = server.chat(ask("hi there", json!({}))).await;
    assert_eq!(response.status(), StatusCode::OK);
    let answer = body(response).await;
    assert!(answer["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], "test/model");
    assert!(answer["created"].is_u64());
    let choice = json!({
        "index": 0, "message": {"role": "assistant", "content": "Hello world!"},
        "logprobs": null, "finish_reason": "stop",
    });
    assert_eq!(answer["choices"], json!([choice]));
    let usage = json!({
        "prompt_tokens": 2, "completion_tokens": 5, "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 0},
    });
    assert_eq!(answer["usage"], usage);
}

#[tokio::test]
async fn the_prompt_of_a_conversation_can_be_seen() {
    let server = Server::start(Options::default());
    let post = |body: Value| {
        Request::post("/apply-template")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap()
    };
    let talk = json!({"messages": [
        {"role": "system", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "你好"}]},
    ]});
    let response = server.send(post(talk)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(body(response).await, json!({"prompt": "a|你好|"}));
    let response = server.send(post(json!({"messages": []}))).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(body(response).await["error"]["param"], "messages");
    assert_eq!(server.seen.lock().unwrap().steps, 0);
}

#[tokio::test]
async fn limits_and_stops_end_an_answer() {
    let cases = [
        (json!({"max_tokens": 2}), "Hello", "length", 2),
        (
            json!({"max_completion_tokens": 1, "max_tokens": 3}),
            "Hel",
            "length",
            1,
        ),
        (json!({"stop": "o w"}), "Hell", "stop", 3),
        (json!({"stop": ["zzz", "ld!"]}), "Hello wor", "stop", 5),
        (json!({"stop": ["!?"]}), "Hello world!", "stop", 5),
    ];
    let server = Server::start(Options::default());
    for (fields, content, reason, tokens) in cases {
        let answer = body(server.chat(ask("hi", fields.clone())).await).await;
        assert_eq!(
            answer["choices"][0]["message"]["content"], content,
            "{fields}"
        );
        assert_eq!(answer["choices"][0]["finish_reason"], reason, "{fields}");
        assert_eq!(answer["usage"]["completion_tokens"], tokens, "{fields}");
    }
}

#[tokio::test]
async fn logprobs_come_per_token_and_are_numbers() {
    let server = Server::start(Options::default());
    let fields = json!({"logprobs": true, "top_logprobs": 1, "max_tokens": 2});
    let answer = body(server.chat(ask("hi", fields)).await).await;
    let entry = |token: &str| {
        let bytes = token.as_bytes();
        json!({
            "token": token, "logprob": -0.5, "bytes": bytes,
            "top_logprobs": [{"token": token, "logprob": -9999.0, "bytes": bytes}],
        })
    };
    assert_eq!(
        answer["choices"][0]["logprobs"]["content"],
        json!([entry("Hel"), entry("lo")])
    );
}

#[tokio::test]
async fn logprobs_are_a_list_wherever_they_are_asked_for() {
    let server = Server::start(Options {
        pieces: Vec::new(),
        ..Options::default()
    });
    for (fields, wanted) in [
        (json!({"logprobs": true}), json!({"content": []})),
        (json!({"logprobs": false}), Value::Null),
        (json!({}), Value::Null),
    ] {
        let answer = body(server.chat(ask("hi", fields.clone())).await).await;
        assert_eq!(answer["choices"][0]["logprobs"], wanted, "{fields}");
        assert_eq!(answer["choices"][0]["message"]["content"], "", "{fields}");
    }
}

#[tokio::test]
async fn many_answers_have_numbers_and_one_prompt() {
    let server = Server::start(Options::default());
    let answer = body(server.chat(ask("hi there", json!({"n": 3}))).await).await;
    let choices = answer["choices"].as_array().unwrap();
    for (index, choice) in choices.iter().enumerate() {
        assert_eq!(choice["index"], index);
        assert_eq!(choice["message"]["content"], "Hello world!");
    }
    assert_eq!(choices.len(), 3);
    assert_eq!(answer["usage"]["prompt_tokens"], 2);
    assert_eq!(answer["usage"]["completion_tokens"], 15);
}

#[tokio::test]
async fn more_answers_than_may_wait_are_refused_with_the_number() {
    let server = Server::start(Options::default());
    let error = body(server.chat(ask("hi", json!({"n": 5}))).await).await["error"].clone();
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("5 answers, and 4 may wait"), "{message}");
}

#[tokio::test]
async fn paths_need_no_version_and_may_end_with_a_slash() {
    let server = Server::start(Options::default());
    for path in [
        "/v1/models",
        "/models",
        "/v1/models/",
        "/models/",
        "/health/",
        "/v1/models/test/model/",
    ] {
        let response = server.send(get(path)).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
    for path in [
        "/v1/chat/completions/",
        "/chat/completions",
        "/chat/completions/",
    ] {
        let response = server.post(path, ask("hi", json!({}))).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn every_failure_is_an_error_object() {
    let plain = |method: &str, path: &str| {
        Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .unwrap()
    };
    let typed = |kind: &str| {
        let body = Body::from(ask("hi", json!({})).to_string());
        Request::post("/v1/chat/completions")
            .header(header::CONTENT_TYPE, kind)
            .body(body)
            .unwrap()
    };
    let large = format!("{{\"x\": \"{}\"}}", "x".repeat(9 << 20));
    let deep = "[".repeat(10_000);
    let long = ask(&"word ".repeat(common::CONTEXT_TOKENS), json!({})).to_string();
    let cases: Vec<(Request<Body>, u16, Value)> = vec![
        (plain("GET", "/nowhere"), 404, json!("not_found")),
        (plain("GET", "/v2/models"), 404, json!("not_found")),
        (
            plain("GET", "/chat/completions"),
            405,
            json!("method_not_allowed"),
        ),
        (
            plain("PUT", "/v1/completions/"),
            405,
            json!("method_not_allowed"),
        ),
        (plain("GET", "/tokenize"), 405, json!("method_not_allowed")),
        (
            plain("GET", "/v1/chat/completions"),
            405,
            json!("method_not_allowed"),
        ),
        (
            plain("POST", "/v1/models"),
            405,
            json!("method_not_allowed"),
        ),
        (plain("DELETE", "/health"), 405, json!("method_not_allowed")),
        (get("/v1/models/other"), 404, json!("model_not_found")),
        (typed("text/plain"), 415, json!("unsupported_media_type")),
        (
            plain("POST", "/v1/chat/completions"),
            415,
            json!("unsupported_media_type"),
        ),
        (chat_request("{"), 400, Value::Null),
        (chat_request("[]"), 400, Value::Null),
        (chat_request(&deep), 400, Value::Null),
        (chat_request("{}"), 400, Value::Null),
        (chat_request(&large), 413, json!("request_too_large")),
        (chat_request(&long), 400, json!("context_length_exceeded")),
        (
            chat_request(&ask("hi", json!({"n": 5})).to_string()),
            400,
            Value::Null,
        ),
        (
            chat_request(&ask("fail", json!({})).to_string()),
            500,
            json!("internal_error"),
        ),
    ];
    let server = Server::start(Options::default());
    for (request, status, code) in cases {
        let what = format!("{} {}", request.method(), request.uri());
        let response = server.send(request).await;
        assert_eq!(response.status(), status, "{what}");
        assert!(response.headers().contains_key("x-request-id"), "{what}");
        let error = body(response).await["error"].clone();
        assert_eq!(error["code"], code, "{what}: {error}");
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty()),
            "{what}"
        );
        assert!(
            error["type"].is_string() && error.get("param").is_some(),
            "{what}: {error}"
        );
    }
    // The failed step did not harm the next request.
    assert_eq!(
        server.chat(ask("hi", json!({}))).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn json_with_parameters_or_suffix_is_json() {
    let server = Server::start(Options::default());
    for kind in [
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/vnd.api+json",
    ] {
        let mut request = chat_request(&ask("hi", json!({})).to_string());
        request
            .headers_mut()
            .insert(header::CONTENT_TYPE, kind.parse().unwrap());
        assert_eq!(
            server.send(request).await.status(),
            StatusCode::OK,
            "{kind}"
        );
    }
}

#[tokio::test]
async fn models_are_listed_and_found_by_a_name_with_slashes() {
    let server = Server::start(Options::default());
    let card = json!({
        "id": "test/model", "object": "model", "created": 1_700_000_000, "owned_by": "sysinfer",
        "root": "test/model", "max_model_len": common::CONTEXT_TOKENS,
    });
    let list = body(server.send(get("/v1/models")).await).await;
    assert_eq!(list, json!({"object": "list", "data": [card]}));
    assert_eq!(
        body(server.send(get("/v1/models/test/model")).await).await,
        card
    );
    assert_eq!(
        body(server.send(get("/v1/models/test%2Fmodel")).await).await,
        card
    );
}

#[tokio::test]
async fn while_loading_health_says_so_and_requests_are_asked_to_come_back() {
    let server = Server::start(Options {
        ready: false,
        ..Options::default()
    });
    for request in [
        get("/health"),
        get("/props"),
        chat_request(&ask("hi", json!({})).to_string()),
    ] {
        let response = server.send(request).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
        assert!(
            body(response).await["error"]["message"]
                .as_str()
                .unwrap()
                .contains("loaded")
        );
    }
}

#[tokio::test]
async fn props_show_the_plan() {
    let server = Server::start(Options::default());
    let props = body(server.send(get("/props")).await).await;
    assert_eq!(props["plan"]["threads"], 2);
    assert_eq!(props["queue"], json!({"waiting": 0, "limit": 4}));
}

#[tokio::test]
async fn keys_guard_everything_but_health() {
    let server = Server::start(Options {
        api_keys: vec!["sk-right".into()],
        ..Options::default()
    });
    let with_key = |path: &str, key: &str| {
        Request::get(path)
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .body(Body::empty())
            .unwrap()
    };
    for path in ["/health", "/ready", "/live"] {
        assert_eq!(
            server.send(get(path)).await.status(),
            StatusCode::OK,
            "{path}"
        );
    }
    assert_eq!(
        server
            .send(with_key("/v1/models", "sk-right"))
            .await
            .status(),
        StatusCode::OK
    );
    for request in [
        get("/v1/models"),
        with_key("/v1/models", "sk-wrong"),
        get("/nowhere"),
    ] {
        let response = server.send(request).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(body(response).await["error"]["code"], "invalid_api_key");
    }
    let open = Server::start(Options::default());
    assert_eq!(
        open.send(with_key("/v1/models", "sk-anything"))
            .await
            .status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn request_ids_are_echoed_or_made() {
    let server = Server::start(Options::default());
    let sent = |id: &str| {
        Request::get("/health")
            .header("x-request-id", id)
            .body(Body::empty())
            .unwrap()
    };
    let echoed = server.send(sent("trace-7")).await;
    assert_eq!(echoed.headers()["x-request-id"], "trace-7");
    let long = server.send(sent(&"x".repeat(500))).await;
    assert_eq!(long.headers()["x-request-id"].len(), 32);
}

/// What a server with these origins says to a browser that shows a page of `site`, before a request with a key.
async fn preflight(origins: &[&str], site: &str) -> HeaderMap {
    let asked = origins.iter().map(|origin| origin.parse().unwrap());
    let server = Server::start(Options {
        api_keys: vec!["sk-right".into()],
        origins: Origins::of(asked.collect()).unwrap(),
        ..Options::default()
    });
    let preflight = Request::options("/v1/chat/completions")
        .header(header::ORIGIN, site)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(
            header::ACCESS_CONTROL_REQUEST_HEADERS,
            "authorization,content-type",
        )
        .body(Body::empty())
        .unwrap();
    let response = server.send(preflight).await;
    assert_eq!(response.status(), StatusCode::OK);
    response.headers().clone()
}

/// `*` would not cover `Authorization` (Fetch standard, CORS-safelisted and non-wildcard request-header names).
#[tokio::test]
async fn browsers_may_send_keys_from_anywhere() {
    let headers = preflight(&[], "http://example.org").await;
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_METHODS], "POST");
    assert_eq!(
        headers[header::ACCESS_CONTROL_ALLOW_HEADERS],
        "authorization,content-type"
    );
    assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
}

#[tokio::test]
async fn browsers_may_ask_from_listed_sites_only() {
    let allowed = header::ACCESS_CONTROL_ALLOW_ORIGIN;
    let sites = ["https://chat.example.com", "http://127.0.0.1:3000"];
    for site in sites {
        assert_eq!(preflight(&sites, site).await[&allowed], site);
    }
    assert!(
        !preflight(&sites, "https://evil.example.com")
            .await
            .contains_key(&allowed)
    );
    assert!(!preflight(&["none"], sites[0]).await.contains_key(&allowed));
}

#[tokio::test]
async fn a_server_that_loads_lives_and_is_not_ready() {
    let server = Server::start(Options {
        ready: false,
        ..Options::default()
    });
    let live = server.send(get("/live")).await;
    assert_eq!(live.status(), StatusCode::OK);
    assert_eq!(body(live).await, json!({"status": "loading"}));
    let ready = server.send(get("/ready")).await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.headers()[header::RETRY_AFTER], "5");
    server.state.set_failed();
    assert_eq!(
        server.send(get("/live")).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn keys_of_a_file_change_without_a_restart() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "sk-one\nsk-two\n").unwrap();
    let server = Server::start(Options {
        api_key_file: Some(file.path().into()),
        ..Options::default()
    });
    let reload = Reload {
        keys: Arc::clone(&server.state.settings.api_keys),
        ..Reload::default()
    };
    let status = async |key: &str| {
        let request = Request::get("/v1/models")
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .body(Body::empty());
        server.send(request.unwrap()).await.status().as_u16()
    };
    assert_eq!((status("sk-one").await, status("sk-two").await), (200, 200));
    std::fs::write(file.path(), "sk-two\nsk-three\n").unwrap();
    reload.run();
    let rotated = (
        status("sk-one").await,
        status("sk-two").await,
        status("sk-three").await,
    );
    assert_eq!(rotated, (401, 200, 200));
}
