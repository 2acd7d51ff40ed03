//! Streamed answers, chunk by chunk.
#![forbid(unsafe_code)]

mod common;

use axum::http::{StatusCode, header};
use common::{Options, Server, ask, events, text};
use http_body_util::BodyExt;
use serde_json::{Value, json};

async fn chunks(server: &Server, mut fields: Value) -> Vec<Value> {
    fields["stream"] = json!(true);
    let response = server.chat(ask("hi", fields)).await;
    assert_eq!(response.status(), StatusCode::OK);
    let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
    assert!(kind.starts_with("text/event-stream"), "{kind}");
    let mut data = events(&text(response).await);
    assert_eq!(data.pop().as_deref(), Some("[DONE]"));
    data.iter()
        .map(|chunk| serde_json::from_str(chunk).unwrap())
        .collect()
}

fn deltas(chunks: &[Value]) -> Vec<Value> {
    chunks
        .iter()
        .map(|chunk| chunk["choices"][0]["delta"].clone())
        .collect()
}

#[tokio::test]
async fn the_first_chunk_has_the_role_the_last_the_reason() {
    let server = Server::start(Options {
        pieces: vec!["Hel", "", "lo"],
        ..Options::default()
    });
    let chunks = chunks(&server, json!({})).await;
    let wanted = [
        json!({"role": "assistant", "content": ""}),
        json!({"content": "Hel"}),
        json!({"content": "lo"}),
        json!({}),
    ];
    assert_eq!(deltas(&chunks), wanted);
    let reasons: Vec<&Value> = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["finish_reason"])
        .collect();
    assert_eq!(
        reasons,
        [&Value::Null, &Value::Null, &Value::Null, &json!("stop")]
    );
    for chunk in &chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert_eq!(
            (&chunk["id"], &chunk["created"]),
            (&chunks[0]["id"], &chunks[0]["created"])
        );
        assert!(chunk.get("usage").is_none(), "not asked for: {chunk}");
    }
}

#[tokio::test]
async fn usage_comes_last_without_choices_and_only_when_asked() {
    let server = Server::start(Options::default());
    let mut chunks = chunks(&server, json!({"stream_options": {"include_usage": true}})).await;
    let last = chunks.pop().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 5);
    for chunk in &chunks {
        assert_eq!(chunk.get("usage"), Some(&Value::Null), "{chunk}");
        assert_eq!(chunk["choices"].as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test]
async fn counts_so_far_ride_on_every_chunk_where_they_are_asked_for() {
    let server = Server::start(Options::default());
    let options = json!({"include_usage": true, "continuous_usage_stats": true});
    let chunks = chunks(&server, json!({"stream_options": options, "max_tokens": 2})).await;
    let counts: Vec<u64> = chunks
        .iter()
        .map(|chunk| chunk["usage"]["completion_tokens"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [0, 1, 2, 2, 2], "role, two tokens, reason, usage");
    for chunk in &chunks {
        assert_eq!(chunk["usage"]["prompt_tokens"], 1);
    }
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["total_tokens"], 3);
}

#[tokio::test]
async fn many_answers_share_a_stream() {
    let server = Server::start(Options::default());
    let fields = json!({"n": 2, "stream_options": {"include_usage": true}});
    let mut chunks = chunks(&server, fields).await;
    let usage = chunks.pop().unwrap();
    assert_eq!(usage["usage"]["completion_tokens"], 10);
    assert_eq!(usage["usage"]["prompt_tokens"], 1);
    for number in 0..2 {
        let of = |chunk: &&Value| chunk["choices"][0]["index"] == number;
        let own: Vec<Value> = chunks.iter().filter(of).cloned().collect();
        assert_eq!(own[0]["choices"][0]["delta"]["role"], "assistant");
        let text: String = deltas(&own)
            .iter()
            .filter_map(|delta| delta["content"].as_str())
            .collect();
        assert_eq!(text, "Hello world!");
        let reason = &own.last().unwrap()["choices"][0]["finish_reason"];
        assert_eq!(reason, "stop");
        assert_eq!(own[0]["id"], chunks[0]["id"]);
    }
}

#[tokio::test]
async fn the_end_is_the_one_word_that_clients_look_for() {
    let server = Server::start(Options::default());
    let response = server.chat(ask("hi", json!({"stream": true}))).await;
    assert!(text(response).await.ends_with("\n\ndata: [DONE]\n\n"));
}

#[tokio::test]
async fn stop_texts_over_chunks_are_never_sent() {
    let server = Server::start(Options::default());
    let chunks = chunks(&server, json!({"stop": ["o wor"]})).await;
    let sent: String = deltas(&chunks)
        .iter()
        .filter_map(|delta| delta["content"].as_str())
        .collect();
    assert_eq!(sent, "Hell");
}

#[tokio::test]
async fn a_failure_after_the_headers_is_an_event_with_an_error() {
    let server = Server::start(Options::default());
    let response = server.chat(ask("fail", json!({"stream": true}))).await;
    assert_eq!(response.status(), StatusCode::OK);
    let data = events(&text(response).await);
    let last: Value = serde_json::from_str(data.last().unwrap()).unwrap();
    assert_eq!(last["error"]["type"], "server_error");
    assert!(
        last["error"]["message"]
            .as_str()
            .unwrap()
            .contains("as the test asked")
    );
    assert!(!data.contains(&"[DONE]".to_string()));
}

#[tokio::test]
async fn logprobs_ride_on_their_token() {
    let server = Server::start(Options::default());
    let chunks = chunks(&server, json!({"logprobs": true, "max_tokens": 1})).await;
    assert_eq!(
        chunks[1]["choices"][0]["logprobs"]["content"][0]["token"],
        "Hel"
    );
    assert_eq!(
        chunks[1]["choices"][0]["logprobs"]["content"][0]["top_logprobs"],
        json!([])
    );
}

/// The next piece of a body, as one write sends it.
async fn piece(body: &mut axum::body::Body) -> String {
    let frame = body.frame().await.unwrap().unwrap();
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_comments_between_whole_events() {
    let server = Server::start(Options {
        gated: true,
        ..Options::default()
    });
    let response = server.chat(ask("hi", json!({"stream": true}))).await;
    let mut body = response.into_body();
    assert_eq!(events(&piece(&mut body).await).len(), 1, "the role");
    for _ in 0..2 {
        // The engine waits for the test, so all that can come is time.
        let before = tokio::time::Instant::now();
        assert_eq!(piece(&mut body).await, ": \n\n");
        assert_eq!(before.elapsed().as_secs(), 10);
    }
    server.allow(1);
    server.until(|seen| seen.steps == 1).await;
    let rest = piece(&mut body).await;
    assert!(
        rest.contains("\"content\":\"Hel\"") || rest == ": \n\n",
        "{rest}"
    );
    drop(server.permits);
    let all = body.collect().await.unwrap().to_bytes();
    let all = rest + std::str::from_utf8(&all).unwrap();
    let sent: Vec<String> = events(&all);
    let sent: Vec<&String> = sent
        .iter()
        .filter(|data| data.contains("content"))
        .collect();
    assert_eq!(sent.len(), 5, "{all}");
}

#[tokio::test]
async fn what_has_come_meanwhile_leaves_in_one_piece_with_an_event_per_token() {
    let server = Server::start(Options::default());
    let response = server.chat(ask("hi", json!({"stream": true}))).await;
    // Nobody reads the body until the engine has said everything.
    server.until(|seen| seen.released == 1).await;
    let mut body = response.into_body();
    let all = events(&piece(&mut body).await);
    assert_eq!(all.len(), 8, "role, five tokens, reason, [DONE]: {all:?}");
    for (data, wanted) in all[1..].iter().zip(["Hel", "lo", " wor", "ld", "!"]) {
        let chunk: Value = serde_json::from_str(data).unwrap();
        assert_eq!(chunk["choices"][0]["delta"]["content"], wanted);
    }
    assert!(body.frame().await.is_none());
}
