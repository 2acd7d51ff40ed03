//! Tools and thoughts in the API: whole answers, streams, and what is refused.
#![forbid(unsafe_code)]

mod common;

use axum::http::StatusCode;
use common::{Formatted, Options, Server, ask, body, events, text};
use serde_json::{Value, json};

const HERMES: &str = r#"<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}"#;
const FUNCTIONARY: &str = ">>>all";
const THINKS: &str = "<think>";

fn server(template: &str, pieces: &[&'static str]) -> Server {
    Server::start(Options {
        pieces: pieces.to_vec(),
        prompt: Formatted::like(template),
        ..Options::default()
    })
}

fn tools() -> Value {
    let parameters =
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
    json!([{"type": "function", "function": {"name": "generate", "parameters": parameters}}])
}

async fn whole(server: &Server, content: &str, fields: Value) -> Value {
    let response = server.chat(ask(content, fields)).await;
    assert_eq!(response.status(), StatusCode::OK);
    body(response).await["choices"][0].clone()
}

async fn streamed(server: &Server, content: &str, mut fields: Value) -> Vec<Value> {
    fields["stream"] = json!(true);
    let response = server.chat(ask(content, fields)).await;
    assert_eq!(response.status(), StatusCode::OK);
    let data = events(&text(response).await);
    let chunks = data.iter().filter(|data| *data != "[DONE]");
    let chunk = |data: &String| serde_json::from_str::<Value>(data).unwrap()["choices"][0].clone();
    chunks.map(chunk).collect()
}

fn reason(chunks: &[Value]) -> &Value {
    &chunks.last().unwrap()["finish_reason"]
}

fn deltas(chunks: Vec<Value>) -> Vec<Value> {
    chunks
        .into_iter()
        .map(|chunk| chunk["delta"].clone())
        .collect()
}

/// As euler-copilot-framework asks: one function, no tool_choice.
#[tokio::test]
async fn a_call_has_the_shape_that_clients_expect() {
    let pieces = [
        "<tool",
        "_call>\n{\"name\": \"gener",
        "ate\", \"arguments\": {\"a\"",
        ": \"上海\"}",
        "}\n</tool_call>",
    ];
    // A template that knows nothing of tools is told of them in a message.
    for template in [HERMES, ""] {
        let server = server(template, &pieces);
        let choice = whole(&server, "hi", json!({"tools": tools()})).await;
        assert_eq!(choice["finish_reason"], "tool_calls");
        let message = &choice["message"];
        assert_eq!(message["content"], Value::Null, "{message}");
        assert!(message.get("reasoning_content").is_none(), "{message}");
        let call = &message["tool_calls"][0];
        assert!(call["id"].as_str().unwrap().starts_with("call_"), "{call}");
        assert_eq!(call["type"], "function");
        let function = json!({"name": "generate", "arguments": "{\"a\": \"上海\"}"});
        assert_eq!(call["function"], function);
        assert_eq!(message["tool_calls"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn calls_are_streamed_in_pieces_with_their_index() {
    let pieces = [
        "Let me ",
        "see.\n\n<tool_call>",
        "\n{\"name\": \"generate\", \"arguments\": {",
        "\"a\": ",
        "\"b\"}}\n</tool_call>\n",
        "<tool_call>{\"name\": \"generate\", \"arguments\": {\"a\": \"c\"}}",
        "</tool_call>",
    ];
    let server = server(HERMES, &pieces);
    let chunks = streamed(&server, "hi", json!({"tools": tools()})).await;
    assert_eq!(reason(&chunks), "tool_calls");
    let mut deltas = deltas(chunks);
    let mut ids = Vec::new();
    for delta in &mut deltas {
        if let Some(id) = delta.pointer_mut("/tool_calls/0/id") {
            ids.push(id.take());
        }
    }
    let begins = |index: usize| {
        let function = json!({"name": "generate", "arguments": ""});
        json!({"tool_calls": [{"index": index, "id": null, "type": "function", "function": function}]})
    };
    let more = |index: usize, text: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]});
    let wanted = [
        json!({"role": "assistant", "content": ""}),
        json!({"content": "Let me"}),
        json!({"content": " see."}),
        begins(0),
        more(0, "{"),
        more(0, "\"a\": "),
        more(0, "\"b\"}"),
        begins(1),
        more(1, "{\"a\": \"c\"}"),
        json!({}),
    ];
    assert_eq!(deltas, wanted);
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
}

#[tokio::test]
async fn an_answer_without_calls_is_text_and_one_that_is_cut_off_has_no_calls_to_make() {
    let server = server(HERMES, &["Just ", "<tool", " text\n"]);
    let choice = whole(&server, "hi", json!({"tools": tools()})).await;
    assert_eq!(choice["finish_reason"], "stop");
    assert_eq!(
        choice["message"],
        json!({"role": "assistant", "content": "Just <tool text\n"})
    );

    let pieces = [
        "<tool_call>{\"name\": \"generate\", \"arguments\": {\"a\": ",
        "\"b\"}}</tool_call>",
    ];
    let server = self::server(HERMES, &pieces);
    let cut = json!({"tools": tools(), "max_tokens": 1});
    let choice = whole(&server, "hi", cut.clone()).await;
    assert_eq!(choice["finish_reason"], "length");
    assert_eq!(
        choice["message"],
        json!({"role": "assistant", "content": pieces[0]})
    );
    let chunks = streamed(&server, "hi", cut).await;
    assert_eq!(reason(&chunks), "length");
}

#[tokio::test]
async fn calls_that_nobody_asked_for_are_text() {
    let call = "<tool_call>{\"name\": \"generate\", \"arguments\": {}}</tool_call>";
    let server = server(
        HERMES,
        &[
            "<tool_call>",
            "{\"name\": \"generate\", \"arguments\": {}}</tool_call>",
        ],
    );
    for fields in [json!({}), json!({"tools": tools(), "tool_choice": "none"})] {
        let choice = whole(&server, "hi", fields).await;
        assert_eq!(choice["message"]["content"], call);
        assert_eq!(choice["finish_reason"], "stop");
    }
}

#[tokio::test]
async fn recipients_of_functionary_are_no_text_with_tools_or_without() {
    let server = server(FUNCTIONARY, &["al", "l\nHi", "\n"]);
    for fields in [json!({}), json!({"tools": tools()})] {
        assert_eq!(
            whole(&server, "hi", fields).await["message"]["content"],
            "Hi\n"
        );
    }
}

#[tokio::test]
async fn thoughts_are_their_own_field_and_no_key_stands_without_them() {
    let pieces = [
        "<th",
        "ink>\nWell",
        ", well",
        "\n</think>",
        "\n\n",
        "Yes",
        ".",
    ];
    let server = server(THINKS, &pieces);
    let choice = whole(&server, "hi", json!({})).await;
    let wanted = json!({"role": "assistant", "content": "Yes.", "reasoning_content": "Well, well"});
    assert_eq!(choice["message"], wanted);
    let wanted = [
        json!({"role": "assistant", "content": ""}),
        json!({"reasoning_content": "Well"}),
        json!({"reasoning_content": ", well"}),
        json!({"content": "Yes"}),
        json!({"content": "."}),
        json!({}),
    ];
    assert_eq!(deltas(streamed(&server, "hi", json!({})).await), wanted);

    // The prompt has opened the block.
    let server = self::server(THINKS, &["Hm", "</think>", "Yes"]);
    let choice = whole(&server, "think", json!({})).await;
    let wanted = json!({"role": "assistant", "content": "Yes", "reasoning_content": "Hm"});
    assert_eq!(choice["message"], wanted);
    // It has not, and the model does not think.
    let choice = whole(&server, "hi", json!({})).await;
    let wanted = json!({"role": "assistant", "content": "Hm</think>Yes"});
    assert_eq!(choice["message"], wanted);
    // A model whose template says nothing of thoughts has none.
    let server = self::server("", &["<think>", "x</think>"]);
    let choice = whole(&server, "think", json!({})).await;
    assert_eq!(choice["message"]["content"], "<think>x</think>");
}

#[tokio::test]
async fn calls_follow_thoughts() {
    let pieces = [
        "I should <tool_call>",
        "</think>\n<tool_call>{\"name\": \"generate\",",
        " \"arguments\": {\"a\": \"b\"}}</tool_call>",
    ];
    let server = server(&format!("{HERMES}{THINKS}"), &pieces);
    let choice = whole(&server, "think", json!({"tools": tools()})).await;
    let message = &choice["message"];
    assert_eq!(message["reasoning_content"], "I should <tool_call>");
    assert_eq!(message["content"], Value::Null);
    assert_eq!(
        message["tool_calls"][0]["function"]["arguments"],
        "{\"a\": \"b\"}"
    );
    assert_eq!(choice["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn each_answer_of_a_request_has_its_own_calls() {
    let pieces = [
        "<tool_call>{\"name\": \"generate\", ",
        "\"arguments\": {\"a\": \"b\"}}",
        "</tool_call>",
    ];
    let server = server(HERMES, &pieces);
    let fields = json!({"tools": tools(), "n": 2});
    let response = server.chat(ask("hi", fields.clone())).await;
    let choices = body(response).await["choices"].clone();
    let chunks = streamed(&server, "hi", fields).await;
    for index in 0..2 {
        let choice = &choices[index];
        assert_eq!(choice["finish_reason"], "tool_calls", "{choice}");
        let arguments = "{\"a\": \"b\"}";
        let function = json!({"name": "generate", "arguments": arguments});
        let calls = choice["message"]["tool_calls"].as_array().unwrap();
        assert_eq!(
            (calls.len(), &calls[0]["function"]),
            (1, &function),
            "{choice}"
        );
        let of_it = chunks.iter().filter(|chunk| chunk["index"] == index);
        let of_it: Vec<Value> = of_it.cloned().collect();
        assert_eq!(reason(&of_it), "tool_calls");
        let parts = deltas(of_it);
        let parts = parts
            .iter()
            .filter_map(|delta| delta.pointer("/tool_calls/0"));
        let text = parts.filter_map(|part| part["function"]["arguments"].as_str());
        assert_eq!(text.collect::<String>(), arguments);
    }
    let ids = [0, 1].map(|index: usize| choices[index]["message"]["tool_calls"][0]["id"].clone());
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn logprobs_of_marks_ride_on_what_comes_of_them() {
    let pieces = ["<tool_call>", "{\"name\": \"generate\"}", "</tool_call>"];
    let server = server(HERMES, &pieces);
    let fields = json!({"tools": tools(), "logprobs": true});
    let chunks = streamed(&server, "hi", fields.clone()).await;
    let tokens = chunks
        .iter()
        .filter_map(|chunk| chunk["logprobs"]["content"][0]["token"].as_str());
    assert_eq!(tokens.collect::<Vec<_>>(), pieces);
    let choice = whole(&server, "hi", fields).await;
    assert_eq!(choice["logprobs"]["content"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused_by_its_name() {
    let server = server(HERMES, &["x"]);
    let cases = [
        (json!({"tools": 1}), "tools"),
        (json!({"tools": [{"type": "retrieval"}]}), "tools[0].type"),
        (json!({"tool_choice": "required"}), "tool_choice"),
        // This server's vocabulary keeps no forms.
        (
            json!({"tools": tools(), "tool_choice": "required"}),
            "tool_choice",
        ),
        (json!({"functions": [{"name": "f"}]}), "functions"),
        (
            json!({"tools": tools(), "allowed_token_ids": [5]}),
            "allowed_token_ids",
        ),
    ];
    for (fields, param) in cases {
        let response = server.chat(ask("hi", fields.clone())).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{fields}");
        assert_eq!(body(response).await["error"]["param"], param, "{fields}");
    }
}
