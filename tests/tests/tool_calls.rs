//! Calls of tools by the server, end to end: a model of random weights, which knows nothing of them, calls what it
//! must with arguments of their schema, in every syntax.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sysinfer_conformance::edit::Edit;
use sysinfer_conformance::fixtures::{folder, tiny_model};
use sysinfer_conformance::product::{Server, command};
use sysinfer_formats::OwnedArray;

const THINK_END: &str = "</think>";

/// Tokens of the tiny model.
const VOCABULARY: usize = 512;

/// Templates with what tells their syntax, and little else.
const TEMPLATES: [(&str, &str); 6] = [
    (
        "hermes",
        r#"{% for t in tools %}{{ t | tojson }}{% endfor %}{# <tool_call>{"name": 1, "arguments": 2}</tool_call> #}"#,
    ),
    (
        "llama3",
        r#"{% for t in tools %}{{ t | tojson }}{% endfor %}{# <|start_header_id|>ipython<|end_header_id|> "parameters": #}"#,
    ),
    (
        "mistral",
        "{% for t in tools %}{{ t | tojson }}{% endfor %}{# [TOOL_CALLS] #}",
    ),
    (
        "mistral-args",
        "{% for t in tools %}{{ t | tojson }}{% endfor %}{# [TOOL_CALLS] [ARGS] #}",
    ),
    (
        "functionary",
        "{% for t in tools %}{{ t | tojson }}{% endfor %}{# >>>all #}",
    ),
    (
        "generic",
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}",
    ),
];

/// Arguments of the function below, and nothing else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    city: String,
    days: Vec<u8>,
}

fn tools() -> Value {
    let parameters = json!({
        "type": "object",
        "properties": {
            "city": {"enum": ["北京", "Paris"]},
            "days": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 7}, "maxItems": 2},
        },
        "required": ["city", "days"],
        "additionalProperties": false,
    });
    json!([
        {"type": "function", "function": {"name": "weather", "parameters": parameters}},
        {"type": "function", "function": {"name": "now"}},
    ])
}

fn ask(choice: &Value, seed: u64) -> Value {
    json!({
        "messages": [{"role": "user", "content": "Hi"}], "tools": tools(), "tool_choice": choice,
        "parallel_tool_calls": false, "temperature": 1.5, "seed": seed, "max_tokens": 800,
    })
}

fn choice(server: &Server, body: &Value) -> Value {
    let (status, answer) = server.post("/v1/chat/completions", body);
    assert_eq!(status, 200, "{body}: {answer}");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    answer["choices"][0].clone()
}

/// The call of a streamed answer: name and arguments, put together as clients do.
fn streamed(server: &Server, mut body: Value) -> (String, String) {
    body["stream"] = json!(true);
    let (status, stream) = server.post("/v1/chat/completions", &body);
    assert_eq!(status, 200, "{stream}");
    let (mut name, mut arguments) = (String::new(), String::new());
    let events = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    for event in events.filter(|event| *event != "[DONE]") {
        let chunk: Value = serde_json::from_str(event).expect("chunks are JSON");
        let delta = &chunk["choices"][0]["delta"];
        assert!(
            matches!(delta["content"].as_str(), None | Some("")),
            "{stream}"
        );
        let call = &delta["tool_calls"][0];
        if call["id"].is_string() {
            assert_eq!(name, "", "one call: {stream}");
            name = call["function"]["name"]
                .as_str()
                .expect("a name")
                .to_owned();
        }
        arguments += call["function"]["arguments"].as_str().unwrap_or_default();
    }
    (name, arguments)
}

/// The tiny model with room for a prompt of bytes, and maybe with marks that are control tokens, as in the
/// vocabularies of models that were made for them.
fn model(folder: &Path, with_marks: bool) -> PathBuf {
    let marks = [
        THINK_END,
        "[TOOL_CALLS]",
        "[ARGS]",
        "<|python_tag|>",
        "<tool_call>",
    ];
    let first = VOCABULARY - marks.len();
    let (tokens, kinds): (Vec<String>, Vec<i32>) = (0..VOCABULARY)
        .map(|id| match id {
            0 => ("<unk>".into(), 2),
            1 => ("<s>".into(), 3),
            2 => ("</s>".into(), 3),
            3..259 => (format!("<0x{:02X}>", id - 3), 6),
            _ if id >= first && with_marks => (marks[id - first].into(), 3),
            _ => (format!("\u{2581}w{id}"), 1),
        })
        .unzip();
    let tokens: OwnedArray = tokens.iter().map(String::as_str).collect();
    let kinds: OwnedArray = kinds.into_iter().collect();
    let bytes = fs::read(tiny_model()).expect("it was made");
    let edit = Edit::of(&bytes)
        .with("llama.context_length", 4096_u32)
        .with("tokenizer.ggml.tokens", tokens)
        .with("tokenizer.ggml.token_type", kinds);
    let path = folder.join(format!("{with_marks}.gguf"));
    fs::write(&path, edit.write()).expect("a small file");
    path
}

fn serve(folder: &Path, model: &Path, template: &str) -> Server {
    let path = folder.join("template.jinja");
    fs::write(&path, template).expect("a small file");
    let mut server = command("sysinfer-server");
    let server = server.arg(model).args(["--threads", "1"]);
    Server::start(server.arg("--chat-template").arg(&path))
}

/// Looks at a call: of a function that was offered, with arguments of its schema.
fn judge(function: &Value, names: &[&str]) {
    let name = function["name"].as_str().expect("a name");
    assert!(names.contains(&name), "{function}");
    let arguments = function["arguments"].as_str().expect("a text");
    if name == "now" {
        assert_eq!(
            serde_json::from_str::<Map<_, _>>(arguments).ok(),
            Some(Map::new())
        );
        return;
    }
    let found: Arguments = serde_json::from_str(arguments).expect(arguments);
    assert!(
        ["北京", "Paris"].contains(&found.city.as_str()),
        "{arguments}"
    );
    assert!(found.days.len() <= 2, "{arguments}");
    assert!(
        found.days.iter().all(|day| (1..=7).contains(day)),
        "{arguments}"
    );
}

/// The one call of an answer that is nothing else.
fn only_call<'a>(choice: &'a Value, what: &str) -> &'a Value {
    assert_eq!(choice["finish_reason"], "tool_calls", "{what}: {choice}");
    let message = &choice["message"];
    assert_eq!(message["content"], Value::Null, "{what}: {message}");
    let calls = message["tool_calls"].as_array().expect("calls");
    assert_eq!(calls.len(), 1, "{what}: {message}");
    &calls[0]["function"]
}

#[test]
fn what_must_be_called_is_called_in_every_syntax() {
    let folder = folder("every-syntax");
    for with_marks in [false, true] {
        let model = model(&folder, with_marks);
        for (syntax, source) in TEMPLATES {
            let server = serve(&folder, &model, source);
            let named = json!({"type": "function", "function": {"name": "weather"}});
            let required = json!("required");
            let both = ["weather", "now"];
            for (seed, wanted, names) in [
                (1, &required, &both[..]),
                (2, &required, &both[..]),
                (3, &named, &both[..1]),
            ] {
                let body = ask(wanted, seed);
                let choice = choice(&server, &body);
                let function = only_call(&choice, syntax);
                judge(function, names);
                let (name, pieces) = streamed(&server, body);
                let pieces = json!({"name": name, "arguments": pieces});
                assert_eq!(pieces, *function, "{syntax}");
            }
            // Free, the model says what it likes.
            let answer = choice(&server, &ask(&json!("auto"), 4));
            assert!(
                answer["message"].get("content").is_some(),
                "{syntax}: {answer}"
            );
            let (status, prompt) = server.post("/apply-template", &ask(&json!("auto"), 4));
            assert!(
                status == 200 && prompt.contains("weather"),
                "{syntax}: {prompt}"
            );
            let (_, prompt) = server.post("/apply-template", &ask(&json!("none"), 4));
            assert!(!prompt.contains("weather"), "{syntax}: {prompt}");
        }
    }
}

#[test]
fn forms_and_calls_begin_where_thoughts_end() {
    let folder = folder("thoughts");
    let server = serve(&folder, &model(&folder, true), "{{ '<think>\n' }}");
    // Nothing but the end of thoughts is likely, which may come once.
    let end = (VOCABULARY - 5).to_string();
    let mut body = ask(&json!("required"), 1);
    body["logit_bias"] = json!({end: 100});
    let choice = choice(&server, &body);
    judge(only_call(&choice, "thoughts"), &["weather", "now"]);
    for field in ["tools", "tool_choice"] {
        body.as_object_mut().expect("a body").remove(field);
    }
    body["response_format"] =
        json!({"type": "json_schema", "json_schema": {"schema": {"enum": ["yes"]}}});
    let choice = self::choice(&server, &body);
    assert_eq!(
        choice["message"],
        json!({"role": "assistant", "content": "\"yes\""})
    );
    // Without an end there are thoughts and nothing else.
    let thoughts = json!({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9, "temperature": 0,
        "logit_bias": {"68": 100}});
    let choice = self::choice(&server, &thoughts);
    let wanted = json!({"role": "assistant", "content": "", "reasoning_content": "A".repeat(9)});
    assert_eq!(choice["message"], wanted);
}
