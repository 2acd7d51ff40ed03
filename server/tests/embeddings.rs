//! Vectors of texts on a scripted backend: shapes of every API, refusals, and clients that leave.
#![forbid(unsafe_code)]

mod common;

use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{CONTEXT_TOKENS, Options, Server, WIDTH, ask, body};
use serde_json::{Value, json};

/// Values of the vector that the scripted backend has for a text: its first token, how many tokens, and 1.
fn raw(first: f32, tokens: f32) -> [f32; WIDTH] {
    [first, tokens, 1.0]
}

/// The same scaled to length 1, as a client reads it.
fn unit(vector: [f32; WIDTH]) -> Value {
    let squares: f64 = vector.iter().map(|value| f64::from(*value).powi(2)).sum();
    let length = squares.sqrt();
    let scaled = vector.map(|value| (f64::from(value) / length) as f32);
    // The shortest text of each f32, not of the f64 that it is too.
    let text = serde_json::to_string(&scaled).expect("numbers");
    serde_json::from_str(&text).expect("JSON")
}

async fn embed(server: &Server, path: &str, fields: Value) -> Value {
    let response = server.post(path, fields).await;
    assert_eq!(response.status(), StatusCode::OK);
    body(response).await
}

fn floats(value: &Value) -> Vec<f32> {
    serde_json::from_value(value.clone()).expect("a list of numbers")
}

#[tokio::test]
async fn an_answer_has_the_shape_that_clients_expect() {
    let server = Server::start(Options::default());
    let sent =
        json!({"model": "m", "input": ["one two", "three"], "user": "u", "x_of_somebody": 1});
    let answer = embed(&server, "/v1/embeddings", sent).await;
    // The token that begins a text is one of it, and the first.
    let wanted = json!({
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": unit(raw(3.0, 3.0))},
            {"object": "embedding", "index": 1, "embedding": unit(raw(3.0, 2.0))},
        ],
        "model": "test/model",
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    });
    assert_eq!(answer, wanted);
    assert_eq!(server.seen.lock().unwrap().admitted, 1, "one job");
    for path in ["/embeddings", "/v1/embeddings/"] {
        let one = embed(&server, path, json!({"input": "three"})).await;
        assert_eq!(one["data"].as_array().map(Vec::len), Some(1));
        assert_eq!(one["data"][0]["embedding"], wanted["data"][1]["embedding"]);
    }
}

#[tokio::test]
async fn base64_is_of_the_same_numbers() {
    let server = Server::start(Options::default());
    let sent = |format: &str| json!({"input": ["a b", "c"], "encoding_format": format});
    let numbers = embed(&server, "/v1/embeddings", sent("float")).await;
    let texts = embed(&server, "/v1/embeddings", sent("base64")).await;
    for (numbers, text) in numbers["data"]
        .as_array()
        .unwrap()
        .iter()
        .zip(texts["data"].as_array().unwrap())
    {
        let bytes = STANDARD
            .decode(text["embedding"].as_str().unwrap())
            .unwrap();
        let values: Vec<f32> = (bytes.as_chunks::<4>().0.iter())
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        assert_eq!(values, floats(&numbers["embedding"]));
        assert_eq!(text["index"], numbers["index"]);
    }
}

#[tokio::test]
async fn texts_and_tokens_are_read_as_they_are_sent() {
    let server = Server::start(Options::default());
    let cases = [
        (json!({"input": "a b"}), vec![(3.0, 3.0)]),
        (
            json!({"input": "a b", "add_special_tokens": false}),
            vec![(10.0, 2.0)],
        ),
        (json!({"input": [7, 8]}), vec![(7.0, 2.0)]),
        (
            json!({"input": [[7, 8], [99]]}),
            vec![(7.0, 2.0), (99.0, 1.0)],
        ),
        (
            json!({"inputs": ["a", "a b"]}),
            vec![(3.0, 2.0), (3.0, 3.0)],
        ),
        (
            json!({"input": vec![5; CONTEXT_TOKENS]}),
            vec![(5.0, CONTEXT_TOKENS as f32)],
        ),
        (
            json!({"input": vec![5; CONTEXT_TOKENS + 9], "truncate": true}),
            vec![(5.0, CONTEXT_TOKENS as f32)],
        ),
        (
            json!({"input": ["a ".repeat(3 * CONTEXT_TOKENS), "b".to_owned()], "truncate": true}),
            vec![(3.0, CONTEXT_TOKENS as f32), (3.0, 2.0)],
        ),
    ];
    for (mut sent, wanted) in cases {
        sent["normalize"] = json!(false);
        let answer = embed(&server, "/v1/embeddings", sent.clone()).await;
        let data = answer["data"].as_array().unwrap();
        let found: Vec<Vec<f32>> = data.iter().map(|one| floats(&one["embedding"])).collect();
        let wanted: Vec<Vec<f32>> = wanted
            .into_iter()
            .map(|(first, tokens)| raw(first, tokens).to_vec())
            .collect();
        assert_eq!(found, wanted);
    }
}

#[tokio::test]
async fn as_many_inputs_as_openai_takes_are_one_job() {
    let server = Server::start(Options {
        queue_limit: 1,
        ..Options::default()
    });
    let sent = json!({"input": vec!["a"; 2048]});
    let answer = embed(&server, "/v1/embeddings", sent).await;
    assert_eq!(answer["data"].as_array().map(Vec::len), Some(2048));
    assert_eq!(answer["data"][2047]["index"], 2047);
    assert_eq!(answer["usage"]["prompt_tokens"], 2 * 2048);
    assert_eq!(server.seen.lock().unwrap().admitted, 1);
}

#[tokio::test]
async fn refusals_name_their_field_and_the_remedy() {
    let server = Server::start(Options::default());
    let long = CONTEXT_TOKENS + 1;
    let cases = [
        (json!({}), "input", "send a text"),
        (json!({"input": null}), "input", "send a text"),
        (json!({"input": []}), "input", "send a text"),
        (json!({"input": ""}), "input", "is empty"),
        (json!({"input": ["a", ""]}), "input", "input[1] is empty"),
        (
            json!({"input": ["a", " "], "add_special_tokens": false}),
            "input",
            "input[1] is empty",
        ),
        (json!({"input": [[]]}), "input", "is empty"),
        (json!({"input": 3}), "input", "must be a text"),
        (json!({"input": {}}), "input", "must be a text"),
        (json!({"input": ["a", 3]}), "input", "must be a text"),
        (json!({"input": [-1]}), "input", "must be a text"),
        (
            json!({"input": [5, 100]}),
            "input",
            "check_embedding_ctx_length=False",
        ),
        (
            json!({"input": [[5], [100_000]]}),
            "input",
            "100000 is no token id",
        ),
        (json!({"input": vec!["a"; 2049]}), "input", "2048"),
        (
            json!({"input": ["a", "a ".repeat(CONTEXT_TOKENS)]}),
            "input",
            "input[1] has 4097 tokens and the context holds 4096",
        ),
        (json!({"input": vec![5; long]}), "input", "4097"),
        (
            json!({"input": "a ".repeat(3 * CONTEXT_TOKENS)}),
            "input",
            "at least",
        ),
        (
            json!({"input": "a ".repeat(300_000), "truncate": true}),
            "input",
            "at least",
        ),
        (
            json!({"input": "a", "encoding_format": "int8"}),
            "encoding_format",
            "base64",
        ),
        (
            json!({"input": "a", "encoding_format": 3}),
            "encoding_format",
            "base64",
        ),
        (
            json!({"input": "a", "dimensions": 2}),
            "dimensions",
            "have 3 values",
        ),
        (
            json!({"input": "a", "dimensions": 1024}),
            "dimensions",
            "have 3 values",
        ),
        (
            json!({"input": "a", "dimensions": 2.5}),
            "dimensions",
            "dimensions",
        ),
        (json!({"input": "a", "model": 3}), "model", "model"),
        (
            json!({"input": "a", "messages": [{}]}),
            "messages",
            "/apply-template",
        ),
    ];
    for (sent, param, text) in cases {
        let shown: String = sent.to_string().chars().take(80).collect();
        let response = server.post("/v1/embeddings", sent).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{shown}");
        let error = body(response).await;
        assert_eq!(error["error"]["param"], param, "{shown}: {error}");
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains(text), "{shown}: {message}");
    }
    let embedded = embed(
        &server,
        "/v1/embeddings",
        json!({"input": "a", "dimensions": WIDTH}),
    )
    .await;
    assert_eq!(embedded["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn other_apis_have_their_forms() {
    let server = Server::start(Options::default());
    let one = unit(raw(3.0, 2.0));
    // TEI's, as EulerCopilot sends it, below any of our addresses.
    for path in ["/embed", "/v1/embed"] {
        let sent = json!({"inputs": ["a", "a b"], "normalize": true});
        let answer = embed(&server, path, sent).await;
        assert_eq!(answer, json!([one, unit(raw(3.0, 3.0))]));
    }
    let sent = json!({"inputs": "a", "normalize": false, "truncate": false});
    assert_eq!(
        embed(&server, "/embed", sent).await,
        json!([[3.0, 2.0, 1.0]])
    );
    // Ollama's.
    let sent = json!({"model": "m", "input": ["a"], "options": {"num_ctx": 9}, "keep_alive": "5m"});
    let answer = embed(&server, "/api/embed", sent).await;
    assert_eq!(answer["model"], "test/model");
    assert_eq!(answer["embeddings"], json!([one]));
    assert_eq!(answer["prompt_eval_count"], 2);
    assert!(
        answer["total_duration"]
            .as_u64()
            .is_some_and(|time| time > 0)
    );
    assert_eq!(answer["load_duration"], 0);
    let long = "a ".repeat(CONTEXT_TOKENS);
    let answer = embed(&server, "/api/embed", json!({"input": long})).await;
    assert_eq!(answer["prompt_eval_count"], CONTEXT_TOKENS);
    let refused = server
        .post("/api/embed", json!({"input": long, "truncate": false}))
        .await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let error = body(refused).await;
    assert!(
        error["error"]
            .as_str()
            .is_some_and(|text| text.contains("4097")),
        "{error}"
    );
    // The older one has vectors as they are.
    let answer = embed(
        &server,
        "/api/embeddings",
        json!({"model": "m", "prompt": "a"}),
    )
    .await;
    assert_eq!(answer, json!({"embedding": [3.0, 2.0, 1.0]}));
    let two = server
        .post("/api/embeddings", json!({"prompt": ["a", "b"]}))
        .await;
    assert_eq!(two.status(), StatusCode::BAD_REQUEST);
    let text = server
        .post(
            "/embed",
            json!({"inputs": "a", "encoding_format": "base64"}),
        )
        .await;
    assert_eq!(text.status(), StatusCode::BAD_REQUEST);
}

/// Nothing is asked for but that the model is loaded, which it is.
#[tokio::test]
async fn ollamas_empty_requests_cost_nothing() {
    let server = Server::start(Options::default());
    for sent in [
        json!({"model": "m"}),
        json!({"input": ""}),
        json!({"input": []}),
    ] {
        let answer = embed(&server, "/api/embed", sent).await;
        assert_eq!(answer["embeddings"], json!([]));
        assert_eq!(answer["prompt_eval_count"], 0);
    }
    let answer = embed(&server, "/api/embeddings", json!({"prompt": ""})).await;
    assert_eq!(answer, json!({"embedding": []}));
    assert_eq!(server.seen.lock().unwrap().admitted, 0);
}

#[tokio::test]
async fn a_client_that_leaves_frees_the_engine_at_the_next_step() {
    let server = Server::start(Options {
        gated: true,
        ..Options::default()
    });
    let leaves = {
        let request = common::post("/v1/embeddings", &json!({"input": vec!["a"; 100]}));
        tokio::spawn({
            let app = server.app();
            async move { tower::ServiceExt::oneshot(app, request).await }
        })
    };
    server.until(|seen| seen.admitted == 1).await;
    server.allow(2);
    server.until(|seen| seen.steps == 2).await;
    leaves.abort();
    assert!(leaves.await.is_err());
    // The step that is under way ends; no other is taken for this client.
    server.allow(1);
    server.until(|seen| seen.released == 1).await;
    assert_eq!(server.seen.lock().unwrap().steps, 3);
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_dead_engine_is_an_error() {
    let server = Server::start(Options {
        gated: true,
        queue_limit: 1,
        ..Options::default()
    });
    let _running = server.chat(ask("hi", json!({"stream": true}))).await;
    server.until(|seen| seen.admitted == 1).await;
    let _waiting = server.chat(ask("hi", json!({"stream": true}))).await;
    let refused = server.post("/v1/embeddings", json!({"input": "a"})).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));

    let server = Server::start(Options::default());
    for (word, code) in [
        ("fail", "internal_error"),
        ("think", "logits_not_finite"),
        ("panic", "internal_error"),
    ] {
        let failed = server
            .post("/v1/embeddings", json!({"input": ["a", word, "b"]}))
            .await;
        assert_eq!(failed.status(), StatusCode::INTERNAL_SERVER_ERROR, "{word}");
        assert_eq!(body(failed).await["error"]["code"], code, "{word}");
    }
    let loading = Server::start(Options {
        ready: false,
        ..Options::default()
    });
    let refused = loading.post("/v1/embeddings", json!({"input": "a"})).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
}
