//! What the small real model says to a user, by the server: the same on every architecture.

use serde_json::{Value, json};
use sysinfer_conformance::fixtures::real_model;
use sysinfer_conformance::product::{Server, command};

/// Its whole answer. At every token, the likeliest is `e^0.26` times as likely as the next or more: far
/// from what kernels' rounding differs by.
const ANSWER: &str = "1. 1\n2. 2\n3. 3\n4. 4\n5. 5\n6. 6\n7. 7\n8. 8\n9. 9\n10. 10";

#[test]
fn the_real_model_answers_through_its_own_template() {
    let Some(model) = real_model("the_real_model_answers_through_its_own_template") else {
        return;
    };
    // Threads that wait for each other would wait for whatever else this host does.
    let mut server = command("sysinfer-server");
    let server = Server::start(server.arg(model).args(["--threads", "1"]));
    let template = "chat template: the chat template in the model file";
    assert!(server.log.contains(template), "{}", server.log);
    // Streamed, so that a host may take its time for the whole.
    let question = json!({
        "messages": [{"role": "user", "content": "Count from one to ten."}],
        "temperature": 0, "stream": true, "stream_options": {"include_usage": true},
    });
    let (status, body) = server.post("/v1/chat/completions", &question);
    assert_eq!(status, 200, "{body}");
    let events = body.lines().filter_map(|line| line.strip_prefix("data: "));
    let chunks: Vec<Value> = events
        .filter(|event| *event != "[DONE]")
        .map(|event| serde_json::from_str(event).expect("chunks are JSON"))
        .collect();
    let choices = chunks.iter().map(|chunk| &chunk["choices"][0]);
    let said: String = choices
        .clone()
        .filter_map(|choice| choice["delta"]["content"].as_str())
        .collect();
    assert_eq!(said, ANSWER, "{body}");
    let ends: Vec<&str> = choices
        .filter_map(|choice| choice["finish_reason"].as_str())
        .collect();
    assert_eq!(ends, ["stop"], "{body}");
    // The template's system message and the marks of turns are among them.
    let usage = &chunks.last().expect("the last chunk counts")["usage"];
    assert_eq!(usage["prompt_tokens"], 36, "{body}");
    assert_eq!(usage["completion_tokens"], 52, "{body}");
}
