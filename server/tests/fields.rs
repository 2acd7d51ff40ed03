//! Every field that clients are known to send does what the table says.
#![forbid(unsafe_code)]

mod common;

use axum::http::StatusCode;
use common::vocabulary::{END, tokenizer};
use common::{Options, Server, body};
use serde_json::{Value, json};
use sysinfer_server::api::fields::{Field, On, Reading, TABLES, at};
use sysinfer_server::constraint::Grammars;

/// Values of which no field takes all.
fn absurd() -> [Value; 5] {
    [
        json!({"\u{0}": [[]]}),
        json!([[[]]]),
        json!("\u{0}"),
        json!(-77.5),
        json!(true),
    ]
}

/// All that have fields of their own.
const ENDPOINTS: [On; 5] = [
    On::Chat,
    On::Completions,
    On::Responses,
    On::Ollama,
    On::Embeddings,
];

/// Fields of which others are parts.
const FORMS: [&str; 9] = [
    "response_format",
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "guided_json_object",
    "json_schema",
    "regex",
    "ebnf",
];

fn server() -> Server {
    let tokenizer = tokenizer();
    let size = tokenizer.vocabulary_size();
    let grammars = Grammars::new(&tokenizer, size, Some(END));
    Server::start(Options {
        grammars: Some(grammars.expect("it can say everything")),
        queue_limit: 64,
        ..Options::default()
    })
}

/// What the rest of a request must say for a field to mean anything.
fn with(endpoint: On, name: &str, value: Value) -> Value {
    let mut body = match endpoint {
        On::Completions => json!({"prompt": "a b"}),
        On::Embeddings if ["inputs", "prompt"].contains(&name) => json!({}),
        On::Embeddings => json!({"input": "a b"}),
        On::Responses => json!({"input": "a b"}),
        On::Ollama if ["system", "raw"].contains(&name) => json!({"prompt": "a b"}),
        _ => json!({"messages": [{"role": "user", "content": "a b"}]}),
    };
    match name {
        // A request that offers them need not let them be called.
        "tools" if value[0].is_object() => body["tool_choice"] = json!("none"),
        "top_logprobs" => body["logprobs"] = json!(true),
        _ => {}
    }
    body[name] = value;
    body
}

fn path(endpoint: On, name: &str) -> &'static str {
    match endpoint {
        On::Completions => "/v1/completions",
        On::Embeddings => "/v1/embeddings",
        On::Responses => "/v1/responses",
        On::Ollama if ["system", "raw"].contains(&name) => "/api/generate",
        On::Ollama => "/api/chat",
        _ => "/v1/chat/completions",
    }
}

async fn sent(server: &Server, endpoint: On, name: &str, value: Value) -> (StatusCode, Value) {
    let sent = with(endpoint, name, value);
    let response = server.post(path(endpoint, name), sent).await;
    let status = response.status();
    match status {
        StatusCode::OK => (status, Value::Null),
        _ => (status, body(response).await["error"].clone()),
    }
}

/// Whether an error names a field: in `param`, or in the text where that is all.
fn names(error: &Value, field: &str) -> bool {
    let text = error["param"].as_str().or(error.as_str());
    text.is_some_and(|text| text.starts_with(field))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("rows hold JSON")
}

#[tokio::test]
async fn every_field_is_honoured_refused_or_without_effect_as_the_table_says() {
    let server = server();
    for endpoint in ENDPOINTS {
        for row in at(endpoint) {
            let Field { name, example, .. } = row;
            let (status, error) = sent(&server, endpoint, name, json(example)).await;
            match row.reading {
                Reading::RefusedUnless(off) => {
                    assert_eq!(status, StatusCode::BAD_REQUEST, "{endpoint:?} {name}");
                    assert!(names(&error, name), "{endpoint:?} {name}: {error}");
                    for off in off.iter().chain(&["null"]) {
                        let (status, error) = sent(&server, endpoint, name, json(off)).await;
                        assert_eq!(
                            status,
                            StatusCode::OK,
                            "{endpoint:?} {name}: {off}: {error}"
                        );
                    }
                }
                _ => assert_eq!(status, StatusCode::OK, "{endpoint:?} {name}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn every_field_that_is_honoured_is_read() {
    let server = server();
    for endpoint in ENDPOINTS {
        for Field { name, .. } in
            at(endpoint).filter(|row| matches!(row.reading, Reading::Honoured(_)))
        {
            let mut refused = false;
            for value in absurd() {
                let (status, error) = sent(&server, endpoint, name, value).await;
                refused |= status == StatusCode::BAD_REQUEST && names(&error, name);
            }
            assert!(refused, "{endpoint:?}: {name} takes anything");
        }
    }
}

/// `/v1/responses` has the fields of a chat too, where it has none of that name.
#[tokio::test]
async fn responses_take_the_fields_of_a_chat() {
    let server = server();
    for row in at(On::Chat) {
        let Field { name, example, .. } = row;
        if at(On::Responses).any(|own| own.name == *name) || *name == "messages" {
            continue;
        }
        let mut asked = json!({"input": "a b"});
        asked[name] = json(example);
        let response = server.post("/v1/responses", asked).await;
        let off = matches!(row.reading, Reading::RefusedUnless(_));
        if off || ["n", "n_cmpl"].contains(name) {
            let answer = body(response).await;
            assert!(answer["error"]["message"].is_string(), "{name}: {answer}");
        } else {
            assert_eq!(response.status(), StatusCode::OK, "{name}");
        }
    }
}

#[tokio::test]
async fn forms_contradict_each_other_whatever_their_names() {
    let server = server();
    for name in FORMS.into_iter().chain(["grammar", "format"]) {
        let row = at(On::Chat).find(|row| row.name == name).expect("known");
        let mut body = with(On::Chat, name, json(row.example));
        body["structured_outputs"] = json!({"regex": "a"});
        let response = server.post("/v1/chat/completions", body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{name}");
    }
}

#[tokio::test]
async fn what_nobody_knows_passes() {
    let server = server();
    for value in absurd() {
        let (status, error) = sent(&server, On::Chat, "x_of_somebody", value).await;
        assert_eq!(status, StatusCode::OK, "{error}");
    }
}

#[test]
fn no_field_is_in_two_rows() {
    for endpoint in ENDPOINTS {
        let mut names: Vec<&str> = at(endpoint).map(|row| row.name).collect();
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
        assert_eq!(twice, None, "{endpoint:?}");
    }
}

fn endpoints(on: On) -> &'static str {
    match on {
        On::Both => "",
        On::Chat => "chat",
        On::Completions => "completions",
        On::Responses => "responses",
        On::Ollama => "Ollama",
        On::Embeddings => "embeddings",
    }
}

fn reading(reading: Reading) -> String {
    match reading {
        Reading::Honoured(_) | Reading::Template => "honoured".into(),
        Reading::NoEffect => "without effect".into(),
        Reading::RefusedUnless([]) => "refused".into(),
        Reading::RefusedUnless(off) => {
            let off: Vec<String> = off.iter().map(|off| format!("`{off}`")).collect();
            format!("refused unless {}", off.join(" or "))
        }
    }
}

/// All tables of the documentation.
fn tables() -> String {
    let line = |row: &Field| {
        format!(
            "| `{}` | {} | {} | {} |\n",
            row.name,
            endpoints(row.on),
            reading(row.reading),
            row.what
        )
    };
    let table = |(title, rows): &(&str, &[Field])| {
        let lines: String = rows.iter().map(line).collect();
        format!(
            "### {title}\n\n| field | only | reading | what it does, or instead |\n|---|---|---|---|\n{lines}\n"
        )
    };
    TABLES.iter().map(table).collect()
}

/// The tables of the documentation are those of the code. To write them anew, run this test with
/// `SYSINFER_WRITE_DOCS=1`.
#[test]
fn the_documentation_shows_every_field() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/en/requests.md");
    let page = std::fs::read_to_string(path).expect("it is in the repository");
    let begin = page.find("\n## Fields\n").expect("it has fields");
    let begin = begin + page[begin..].find("### ").expect("it has tables");
    let wanted = tables();
    let wanted = wanted.trim_end().to_owned() + "\n";
    if std::env::var_os("SYSINFER_WRITE_DOCS").is_some() {
        let written = [&page[..begin], &wanted].concat();
        std::fs::write(path, written).expect("it can be written");
        return;
    }
    assert!(
        page[begin..] == wanted,
        "docs/en/requests.md shows other tables than api/fields; run this test with SYSINFER_WRITE_DOCS=1"
    );
}
