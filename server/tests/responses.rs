//! The Responses API: whole answers, events, and what is refused.
#![forbid(unsafe_code)]

mod common;

use axum::http::{StatusCode, header};
use common::{Formatted, Options, Server, body, get, text};
use serde_json::{Value, json};

const PATH: &str = "/v1/responses";
const HERMES: &str =
    r#"<think><tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}"#;

fn server(template: &str, pieces: &[&'static str]) -> Server {
    Server::start(Options {
        pieces: pieces.to_vec(),
        prompt: Formatted::like(template),
        ..Options::default()
    })
}

fn ask(fields: Value) -> Value {
    let mut body = json!({"model": "m", "input": "hi there"});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    body
}

async fn whole(server: &Server, fields: Value) -> Value {
    let response = server.post(PATH, ask(fields)).await;
    let (status, answer) = (response.status(), body(response).await);
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

/// The events of a stream; each has its kind on a line of its own, and its number.
async fn streamed(server: &Server, mut fields: Value) -> Vec<Value> {
    fields["stream"] = json!(true);
    let response = server.post(PATH, ask(fields)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/event-stream"
    );
    let all = text(response).await;
    let events = all.trim_end().split("\n\n").enumerate();
    let event = |(number, event): (usize, &str)| {
        let (kind, data) = event.split_once('\n').expect("two lines");
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(kind, format!("event: {}", data["type"].as_str().unwrap()));
        assert_eq!(data["sequence_number"], number, "{data}");
        data
    };
    events.map(event).collect()
}

/// Their kinds; items follow each other.
fn kinds(events: &[Value]) -> Vec<&str> {
    let numbers = events.iter();
    let numbers = numbers.filter_map(|event| event["output_index"].as_u64());
    assert!(numbers.is_sorted());
    let kinds = events.iter().filter_map(|event| event["type"].as_str());
    kinds.map(|kind| &kind["response.".len()..]).collect()
}

/// An answer without what differs from one to the next.
fn settled(mut answer: Value) -> Value {
    for field in ["id", "created_at", "completed_at"] {
        let value = answer[field].take();
        assert!(
            value.is_u64() || value.is_string() || field == "completed_at",
            "{field}: {value}"
        );
    }
    for item in answer["output"].as_array_mut().unwrap() {
        let id = item["id"].take();
        assert!(id.as_str().unwrap().contains('_'), "{id}");
        if let Some(id) = item.get_mut("call_id") {
            assert!(id.take().as_str().unwrap().starts_with("call_"));
        }
    }
    answer
}

#[tokio::test]
async fn a_whole_answer_has_the_shape_that_clients_expect() {
    let server = Server::start(Options::default());
    let answer = whole(&server, json!({"metadata": {"a": "b"}, "store": true})).await;
    assert!(answer["id"].as_str().unwrap().starts_with("resp_"));
    assert!(answer["completed_at"].as_u64() >= answer["created_at"].as_u64());
    let message = json!({
        "type": "message", "id": null, "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "text": "Hello world!", "annotations": [], "logprobs": []}],
    });
    let wanted = json!({
        "id": null, "object": "response", "created_at": null, "status": "completed", "completed_at": null,
        "background": false, "error": null, "incomplete_details": null, "model": "test/model", "output": [message],
        "previous_response_id": null, "store": false, "truncation": "disabled",
        "usage": {
            "input_tokens": 2, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 7,
        },
        "instructions": null, "max_output_tokens": null, "metadata": {"a": "b"}, "parallel_tool_calls": true,
        "reasoning": {"effort": null, "summary": null}, "temperature": 0.0, "text": {"format": {"type": "text"}},
        "tool_choice": "auto", "tools": [], "top_logprobs": 0, "top_p": 1.0,
    });
    assert_eq!(settled(answer), wanted);
}

#[tokio::test]
async fn a_stream_tells_the_same_answer_event_by_event() {
    let server = server(
        HERMES,
        &[
            "<think>",
            "why",
            " not",
            "</think>",
            "Let",
            " me.",
            "<tool_call>{\"name\": \"f\", \"arguments\": {",
            "\"a\": 1}}",
            "</tool_call>",
        ],
    );
    let tools = json!([{"type": "function", "name": "f", "parameters": {"type": "object"}}]);
    let fields = json!({"tools": tools, "instructions": "be brief", "include": ["message.output_text.logprobs"]});
    let events = streamed(&server, fields.clone()).await;
    let wanted = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(kinds(&events), wanted);
    let (first, last) = (&events[0]["response"], &events[21]["response"]);
    assert_eq!(
        (&first["status"], &first["usage"], &first["output"]),
        (&json!("in_progress"), &Value::Null, &json!([]))
    );
    assert_eq!((&first["id"], &first["tools"]), (&last["id"], &tools));
    let message = &last["output"][1];
    assert_eq!(events[11]["logprobs"][0]["token"], "Let");
    assert_eq!(
        (&events[11]["item_id"], &events[11]["content_index"]),
        (&message["id"], &json!(0))
    );
    assert_eq!(events[13]["text"], "Let me.");
    assert_eq!(&events[15]["item"], message);
    assert_eq!(events[16]["item"]["arguments"], "");
    assert_eq!(events[19]["arguments"], "{\"a\": 1}");
    assert_eq!(
        last["usage"]["output_tokens_details"]["reasoning_tokens"],
        4
    );
    let texts = |item: &Value| item["content"][0]["text"].clone();
    assert_eq!(texts(&last["output"][0]), "why not");
    let same = settled(whole(&server, fields).await);
    assert_eq!(settled(last.clone()), same);
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_incomplete() {
    let server = server(
        HERMES,
        &[
            "Hel",
            "<tool_call>{\"name\": \"f\", \"arguments\": {\"a",
            "\": 1}}",
        ],
    );
    let events = streamed(&server, json!({"max_output_tokens": 1})).await;
    assert_eq!(kinds(&events).pop(), Some("incomplete"));
    let last = &events.last().unwrap()["response"];
    assert_eq!(last["status"], "incomplete");
    assert_eq!(
        last["incomplete_details"],
        json!({"reason": "max_output_tokens"})
    );
    assert_eq!(
        (&last["output"][0]["status"], &last["completed_at"]),
        (&json!("incomplete"), &Value::Null)
    );
    assert_eq!(last["max_output_tokens"], 1);

    let fields = json!({"max_output_tokens": 2, "tools": [{"type": "function", "name": "f"}]});
    let events = streamed(&server, fields.clone()).await;
    let last = events.last().unwrap()["response"].clone();
    let call = &last["output"][1];
    assert_eq!(
        (&call["status"], &call["arguments"]),
        (&json!("incomplete"), &json!("{\"a"))
    );
    assert_eq!(settled(last), settled(whole(&server, fields).await));
}

#[tokio::test]
async fn an_answer_of_nothing_is_an_empty_message() {
    let server = Server::start(Options {
        pieces: Vec::new(),
        ..Options::default()
    });
    let answer = whole(&server, json!({})).await;
    assert_eq!(answer["output"][0]["content"][0]["text"], "");
    assert_eq!(answer["output"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_failure_is_an_event_or_an_error_object() {
    let server = Server::start(Options::default());
    let mut fields = json!({"input": "fail"});
    let events = streamed(&server, fields.clone()).await;
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.failed");
    let response = &last["response"];
    assert_eq!(
        (&response["status"], &response["error"]["code"]),
        (&json!("failed"), &json!("server_error"))
    );
    assert!(!response["error"]["message"].as_str().unwrap().is_empty());
    fields["stream"] = json!(false);
    let whole = server.post(PATH, ask(fields)).await;
    assert_eq!(whole.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn refusals_name_the_fields_that_were_sent() {
    let server = Server::start(Options::default());
    let long = "word ".repeat(common::CONTEXT_TOKENS);
    let function = |fields: Value| json!({"tools": [fields]});
    let cases = [
        (json!({"input": long}), "input"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}),
            "input[0].content[0]",
        ),
        (json!({"max_output_tokens": 0}), "max_output_tokens"),
        (json!({"temperature": 3}), "temperature"),
        (json!({"top_logprobs": 21}), "top_logprobs"),
        (json!({"n": 2}), "n"),
        (json!({"messages": []}), "messages"),
        (json!({"text": {"format": {"type": "xml"}}}), "text.format"),
        (
            json!({"text": {"format": {"type": "json_schema", "name": "x"}}}),
            "text.format.schema",
        ),
        // This server's vocabulary keeps no forms.
        (
            json!({"text": {"format": {"type": "json_object"}}}),
            "text.format",
        ),
        (
            function(json!({"type": "function", "name": "a b"})),
            "tools[0].name",
        ),
        (
            function(json!({"type": "function", "name": "f", "parameters": 3})),
            "tools[0].parameters",
        ),
        (function(json!({"type": "web_search"})), "tools[0].type"),
        (json!({"tool_choice": "required"}), "tool_choice"),
        (
            json!({"previous_response_id": "resp_1"}),
            "previous_response_id",
        ),
        (json!({"background": true}), "background"),
    ];
    for (fields, param) in cases {
        let response = server.post(PATH, ask(fields.clone())).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{param}");
        let error = body(response).await["error"].clone();
        assert_eq!(error["param"], param, "{error}");
    }
    assert_eq!(server.seen.lock().unwrap().steps, 0);
}

#[tokio::test]
async fn there_is_one_endpoint_and_nothing_to_retrieve() {
    let server = Server::start(Options::default());
    for path in ["/responses", "/v1/responses/"] {
        let response = server.post(path, ask(json!({}))).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
    assert_eq!(
        server.send(get("/v1/responses/resp_1")).await.status(),
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        server.send(get(PATH)).await.status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
}
