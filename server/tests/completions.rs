//! Texts that are continued: shapes of answers, prompts of every kind.
#![forbid(unsafe_code)]

mod common;

use axum::http::{StatusCode, header};
use common::{Options, Server, body, events, text};
use serde_json::{Value, json};

async fn complete(server: &Server, fields: Value) -> Value {
    body(server.post("/v1/completions", fields).await).await
}

fn texts(answer: &Value) -> Vec<&str> {
    let choices = answer["choices"].as_array().unwrap();
    for (index, choice) in choices.iter().enumerate() {
        assert_eq!(choice["index"], index);
    }
    choices
        .iter()
        .map(|choice| choice["text"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_whole_answer_has_the_shape_that_clients_expect() {
    let server = Server::start(Options::default());
    let answer = complete(&server, json!({"model": "m", "prompt": "one two"})).await;
    assert!(answer["id"].as_str().unwrap().starts_with("cmpl-"));
    assert_eq!(answer["object"], "text_completion");
    assert_eq!(answer["model"], "test/model");
    let choice = json!({
        "index": 0, "text": "Hello world!", "logprobs": null, "finish_reason": "stop",
    });
    assert_eq!(answer["choices"], json!([choice]));
    // The token that begins a text is one of the prompt.
    assert_eq!(answer["usage"]["prompt_tokens"], 3);
    assert_eq!(answer["usage"]["completion_tokens"], 5);
    let bare = json!({"prompt": "one two", "add_special_tokens": false, "max_tokens": 2});
    let answer = complete(&server, bare).await;
    assert_eq!(answer["usage"]["prompt_tokens"], 2);
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
}

#[tokio::test]
async fn every_prompt_gets_its_answers_in_their_order() {
    let server = Server::start(Options {
        queue_limit: 8,
        ..Options::default()
    });
    let cases = [
        (json!({"prompt": ["a b", "c"], "n": 2}), 4, 5),
        (json!({"prompt": [5, 6, 7]}), 1, 3),
        (json!({"prompt": [[5], [6, 7]]}), 2, 3),
    ];
    for (fields, answers, prompt_tokens) in cases {
        let answer = complete(&server, fields.clone()).await;
        assert_eq!(texts(&answer).len(), answers, "{fields}");
        assert_eq!(answer["usage"]["prompt_tokens"], prompt_tokens, "{fields}");
        assert_eq!(
            answer["usage"]["completion_tokens"],
            5 * answers,
            "{fields}"
        );
    }
}

#[tokio::test]
async fn an_echo_is_the_prompt_of_its_answer() {
    let server = Server::start(Options::default());
    let echo = |prompt: Value| json!({"prompt": prompt, "echo": true, "max_tokens": 1});
    let answer = complete(&server, echo(json!(["a ", "b "]))).await;
    assert_eq!(texts(&answer), ["a Hel", "b Hel"]);
    let answer = complete(&server, echo(json!([5, 6]))).await;
    assert_eq!(texts(&answer), ["<5><6>Hel"]);
    let mut streamed = echo(json!(["a ", "b "]));
    streamed["n"] = json!(2);
    streamed["stream"] = json!(true);
    let chunks = chunks(&server, streamed).await;
    for (number, wanted) in ["a Hel", "a Hel", "b Hel", "b Hel"].iter().enumerate() {
        let of = |chunk: &&Value| chunk["choices"][0]["index"] == number;
        let text: String = chunks
            .iter()
            .filter(of)
            .filter_map(|chunk| chunk["choices"][0]["text"].as_str())
            .collect();
        assert_eq!(text, *wanted);
    }
}

#[tokio::test]
async fn logprobs_are_four_lists() {
    let server = Server::start(Options::default());
    let fields = json!({"prompt": "a", "logprobs": 1, "max_tokens": 2});
    let answer = complete(&server, fields.clone()).await;
    let wanted = json!({
        "text_offset": [0, 3], "token_logprobs": [-0.5, -0.5], "tokens": ["Hel", "lo"],
        "top_logprobs": [{"Hel": -9999.0}, {"lo": -9999.0}],
    });
    assert_eq!(answer["choices"][0]["logprobs"], wanted);
    let mut streamed = fields;
    streamed["stream"] = json!(true);
    let chunks = chunks(&server, streamed).await;
    let logprobs = &chunks[1]["choices"][0]["logprobs"];
    assert_eq!(logprobs["text_offset"], json!([3]));
    assert_eq!(logprobs["tokens"], json!(["lo"]));
    // The token itself is among them, whether it is likely or not.
    let none = complete(
        &server,
        json!({"prompt": "a", "logprobs": 0, "max_tokens": 1}),
    )
    .await;
    let top = &none["choices"][0]["logprobs"]["top_logprobs"];
    assert_eq!(top, &json!([{"Hel": -0.5}]));
    let silent = Server::start(Options {
        pieces: Vec::new(),
        ..Options::default()
    });
    let answer = complete(&silent, json!({"prompt": "a", "logprobs": 0})).await;
    assert_eq!(answer["choices"][0]["logprobs"]["tokens"], json!([]));
}

async fn chunks(server: &Server, fields: Value) -> Vec<Value> {
    let response = server.post("/v1/completions", fields).await;
    assert_eq!(response.status(), StatusCode::OK);
    let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
    assert_eq!(kind, "text/event-stream");
    let mut data = events(&text(response).await);
    assert_eq!(data.pop().as_deref(), Some("[DONE]"));
    let chunk = |chunk: &String| serde_json::from_str(chunk).unwrap();
    data.iter().map(chunk).collect()
}

#[tokio::test]
async fn chunks_are_of_the_same_form() {
    let server = Server::start(Options::default());
    let usage = json!({"include_usage": true});
    let fields = json!({"prompt": "a", "stream": true, "stream_options": usage, "max_tokens": 2});
    let chunks = chunks(&server, fields).await;
    let said: Vec<&Value> = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["text"])
        .collect();
    assert_eq!(
        said,
        [&json!("Hel"), &json!("lo"), &json!(""), &Value::Null]
    );
    assert_eq!(chunks[2]["choices"][0]["finish_reason"], "length");
    assert_eq!(chunks[3]["choices"], json!([]));
    assert_eq!(chunks[3]["usage"]["completion_tokens"], 2);
    for chunk in &chunks[..3] {
        assert_eq!(chunk["object"], "text_completion");
        assert_eq!(chunk["id"], chunks[0]["id"]);
        assert_eq!(chunk.get("usage"), Some(&Value::Null));
    }
}

#[tokio::test]
async fn refusals_name_their_field() {
    let server = Server::start(Options::default());
    let cases = [
        (json!({}), "prompt"),
        (json!({"prompt": []}), "prompt"),
        (json!({"prompt": [100]}), "prompt"),
        (json!({"prompt": [100], "echo": true}), "prompt"),
        (json!({"prompt": "", "add_special_tokens": false}), "prompt"),
        (json!({"prompt": vec!["a"; 129]}), "prompt"),
        (json!({"prompt": vec!["a"; 100], "n": 2}), "prompt"),
        (
            json!({"prompt": vec![5; common::CONTEXT_TOKENS], "echo": true}),
            "prompt",
        ),
        (
            json!({"prompt": "a ".repeat(common::CONTEXT_TOKENS)}),
            "prompt",
        ),
        (json!({"prompt": "a", "suffix": "b"}), "suffix"),
        (json!({"prompt": "a", "echo": true, "logprobs": 1}), "echo"),
        (json!({"prompt": "a", "logprobs": 21}), "logprobs"),
        (json!({"prompt": "a", "best_of": 3, "n": 2}), "best_of"),
        (json!({"prompt": "a", "max_tokens": 0}), "max_tokens"),
    ];
    for (fields, param) in cases {
        let error = complete(&server, fields).await["error"].clone();
        assert_eq!(error["param"], param, "{error}");
    }
    assert_eq!(server.seen.lock().unwrap().admitted, 0);
}

#[tokio::test]
async fn a_failure_of_one_answer_is_that_of_the_request() {
    let server = Server::start(Options::default());
    let response = server
        .post(
            "/v1/completions",
            json!({"prompt": ["a", "fail"], "add_special_tokens": false}),
        )
        .await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let streamed = json!({"prompt": ["fail", "a"], "add_special_tokens": false, "stream": true});
    let response = server.post("/v1/completions", streamed).await;
    let data = events(&text(response).await);
    let last: Value = serde_json::from_str(data.last().unwrap()).unwrap();
    assert_eq!(last["error"]["type"], "server_error");
}
