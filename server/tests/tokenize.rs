//! Texts to tokens and back over HTTP.
#![forbid(unsafe_code)]

mod common;

use axum::http::StatusCode;
use common::{Options, Server, body};
use serde_json::{Value, json};

async fn post(path: &str, fields: Value) -> (StatusCode, Value) {
    let server = Server::start(Options::default());
    let response = server.post(path, fields).await;
    (response.status(), body(response).await)
}

#[tokio::test]
async fn a_text_is_read_as_the_server_that_has_its_field_reads_it() {
    let talk = json!([{"role": "user", "content": "a b"}]);
    let cases = [
        (json!({"content": "a b"}), json!([10, 10])),
        (json!({"content": "a", "add_special": true}), json!([3, 10])),
        (json!({"prompt": "a b"}), json!([3, 10, 10])),
        (
            json!({"prompt": "a", "add_special_tokens": false}),
            json!([10]),
        ),
        (json!({"messages": talk}), json!([10, 10])),
    ];
    for (fields, wanted) in cases {
        let (status, answer) = post("/tokenize", fields.clone()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!(answer["tokens"], wanted, "{fields}");
        assert_eq!(answer["count"], wanted.as_array().unwrap().len());
        assert_eq!(answer["max_model_len"], common::CONTEXT_TOKENS);
        assert!(answer.get("token_strs").is_none());
    }
}

#[tokio::test]
async fn tokens_come_with_their_texts_or_bytes() {
    let fields = json!({"content": "a", "add_special": true, "with_pieces": true});
    let (_, answer) = post("/tokenize", fields).await;
    let wanted = json!([{"id": 3, "piece": [255]}, {"id": 10, "piece": "<10>"}]);
    assert_eq!(answer["tokens"], wanted);
    let (_, answer) = post(
        "/tokenize",
        json!({"prompt": "a", "return_token_strs": true}),
    )
    .await;
    assert_eq!(answer["token_strs"], json!(["\u{FFFD}", "<10>"]));
}

#[tokio::test]
async fn tokens_become_text_again() {
    let (status, answer) = post("/detokenize", json!({"tokens": [5, 99]})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer, json!({"content": "<5><99>", "prompt": "<5><99>"}));
    assert_eq!(
        post("/detokenize", json!({"tokens": []})).await.1["content"],
        ""
    );
}

#[tokio::test]
async fn refusals_name_their_field() {
    let cases = [
        ("/tokenize", json!({}), "content"),
        (
            "/tokenize",
            json!({"content": "a", "prompt": "a"}),
            "content",
        ),
        ("/tokenize", json!({"content": 3}), "content"),
        ("/tokenize", json!({"prompt": ["a"]}), "prompt"),
        ("/tokenize", json!({"messages": []}), "messages"),
        (
            "/tokenize",
            json!({"content": "a", "with_pieces": 3}),
            "with_pieces",
        ),
        (
            "/tokenize",
            json!({"content": "a ".repeat(1 << 19)}),
            "content",
        ),
        ("/detokenize", json!({"tokens": vec![1; 1 << 19]}), "tokens"),
        ("/detokenize", json!({}), "tokens"),
        ("/detokenize", json!({"tokens": [100]}), "tokens"),
        ("/detokenize", json!({"tokens": [-1]}), "tokens"),
        ("/detokenize", json!({"tokens": "a"}), "tokens"),
    ];
    for (path, fields, param) in cases {
        let (status, answer) = post(path, fields).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{param}");
        assert_eq!(answer["error"]["param"], param, "{answer}");
    }
}
