//! `/openapi.json` says what there is: endpoints, statuses, fields.
#![forbid(unsafe_code)]

mod common;

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use common::{Options, Server, ask, body, get};
use serde_json::{Value, json};
use sysinfer_server::api::fields::{On, at};
use sysinfer_server::error::ApiError;

async fn document() -> Value {
    let server = Server::start(Options::default());
    let response = server.send(get("/openapi.json")).await;
    assert_eq!(response.status(), StatusCode::OK);
    body(response).await
}

/// Method and path of all endpoints, with what is said of each.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    let each = paths.flat_map(|(path, item)| {
        let methods = item.as_object().expect("methods").iter();
        methods.map(move |(method, operation)| {
            (method.to_uppercase(), path.clone(), operation.clone())
        })
    });
    each.collect()
}

fn statuses(operation: &Value) -> BTreeSet<u16> {
    let all = operation["responses"].as_object().expect("responses");
    all.keys()
        .map(|status| status.parse().expect("a status"))
        .collect()
}

#[tokio::test]
async fn it_is_openapi_and_every_reference_leads_somewhere() {
    fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document().await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50, "{}", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("within");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_page_of_requests_has_the_same_endpoints() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/en/requests.md");
    let page = std::fs::read_to_string(path).expect("it is in the repository");
    let begin = page.find("\n## Endpoints\n").expect("it has endpoints");
    let table = page[begin..].split("\n\n").nth(1).expect("a table");
    let mut shown = BTreeSet::new();
    for line in table.lines().skip(2) {
        let cell = line.split('|').nth(1).expect("a cell");
        let mut method = "";
        for word in cell.split(['`', ',', ' ']).filter(|word| !word.is_empty()) {
            match word.strip_prefix('/') {
                None => method = word,
                Some(_) => drop(shown.insert((
                    method.to_owned(),
                    word.replace("NAME", "{id}").replace("FILE", "{file}"),
                ))),
            }
        }
    }
    let described = operations(&document().await).into_iter();
    let described: BTreeSet<_> = described.map(|(method, path, _)| (method, path)).collect();
    assert_eq!(shown, described);
}

/// What clients can have wrong, and what the server can: each status is one that is described.
#[tokio::test]
async fn endpoints_answer_as_is_said() {
    let document = document().await;
    let ready = Server::start(Options::default());
    let loading = Server::start(Options {
        ready: false,
        ..Options::default()
    });
    let guarded = Server::start(Options {
        api_keys: vec!["sk-right".into()],
        ..Options::default()
    });
    let full = Server::start(Options {
        queue_limit: 0,
        ..Options::default()
    });
    for (method, path, operation) in operations(&document) {
        let described = statuses(&operation);
        let mut seen = BTreeSet::new();
        let bodies = ["{}", "[", r#"{"model": "x"}"#, r#"{"prompt": "fail"}"#];
        let paths = ["test/model", "other", "%ff"]
            .map(|name| path.replace("{id}", name).replace("{file}", name));
        let sent = |path: &str, headers: &[(&str, &str)], body: &str| {
            let mut request = Request::builder().method(&*method).uri(path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request.body(Body::from(body.to_owned())).unwrap()
        };
        let json = ("content-type", "application/json");
        let failed = Server::start(Options::default());
        failed.state.set_failed();
        let large = "x".repeat(9 << 20);
        for server in [&ready, &loading, &guarded, &full, &failed] {
            for path in &paths {
                let mut requests = vec![
                    sent(path, &[], "{}"),
                    sent(path, &[json, ("content-encoding", "gzip")], "{}"),
                    sent(path, &[json], &large),
                ];
                requests.extend(bodies.iter().map(|body| sent(path, &[json], body)));
                for request in requests {
                    seen.insert(server.send(request).await.status().as_u16());
                }
            }
        }
        let unsaid: Vec<_> = seen.difference(&described).collect();
        assert!(unsaid.is_empty(), "{method} {path}: {unsaid:?}");
        // What these requests do not bring about: a success of all, one that the client has, a slow body, a failing
        // engine.
        let never: BTreeSet<u16> = described.difference(&seen).copied().collect();
        let never = never
            .difference(&BTreeSet::from([200, 304, 408, 500]))
            .count();
        assert_eq!(never, 0, "{method} {path}: {described:?} and {seen:?}");
    }
}

#[tokio::test]
async fn every_field_is_in_the_schema_of_its_body() {
    let document = document().await;
    let bodies = [
        ("/v1/chat/completions", vec![On::Chat]),
        ("/v1/completions", vec![On::Completions]),
        ("/v1/responses", vec![On::Responses, On::Chat]),
        ("/api/chat", vec![On::Ollama, On::Chat]),
        ("/api/generate", vec![On::Ollama, On::Chat]),
    ];
    for (path, tables) in bodies {
        let content = &document["paths"][path]["post"]["requestBody"]["content"];
        let name = content["application/json"]["schema"]["$ref"]
            .as_str()
            .expect("a reference");
        let schema = document.pointer(&name[1..]).expect("a schema");
        let moved = |name: &str| {
            name == "messages" && path != "/v1/chat/completions" && path != "/api/chat"
        };
        for row in tables
            .iter()
            .flat_map(|table| at(*table))
            .filter(|row| !moved(row.name))
        {
            let property = &schema["properties"][row.name];
            assert!(property["description"].is_string(), "{path}: {}", row.name);
        }
    }
}

/// Keys of answers are those of their schemas.
#[tokio::test]
async fn answers_have_the_keys_that_are_described() {
    fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
        match schema["$ref"].as_str() {
            Some(name) => resolved(document, document.pointer(&name[1..]).expect("a schema")),
            None => schema,
        }
    }
    /// Names of the properties, and of those that must be there.
    fn keys(document: &Value, schema: &Value) -> (BTreeSet<String>, BTreeSet<String>) {
        let schema = resolved(document, schema);
        let names = |value: &Value| -> BTreeSet<String> {
            let list = value.as_array().into_iter().flatten();
            list.filter_map(|name| name.as_str().map(str::to_owned))
                .collect()
        };
        let mut all: BTreeSet<String> = schema["properties"]
            .as_object()
            .into_iter()
            .flat_map(|fields| fields.keys().cloned())
            .collect();
        let mut must = names(&schema["required"]);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            let (more, required) = keys(document, part);
            all.extend(more);
            must.extend(required);
        }
        (all, must)
    }
    let document = document().await;
    let server = Server::start(Options::default());
    let error = ApiError::invalid("x").body();
    let cases = [
        (
            "post",
            "/v1/chat/completions",
            ask("hi", json!({"logprobs": true})),
        ),
        ("post", "/v1/completions", json!({"prompt": "a"})),
        ("post", "/v1/responses", json!({"input": "a"})),
        ("get", "/v1/models", Value::Null),
        ("post", "/tokenize", json!({"content": "a"})),
        ("post", "/detokenize", json!({"tokens": [1]})),
        ("post", "/apply-template", ask("hi", json!({}))),
        ("get", "/health", Value::Null),
        ("get", "/api/tags", Value::Null),
        ("get", "/api/version", Value::Null),
        ("post", "/api/show", json!({"model": "test/model"})),
    ];
    for (method, path, sent) in cases {
        let answer = match method {
            "get" => server.send(get(path)).await,
            _ => server.post(path, sent).await,
        };
        let answer = body(answer).await;
        let content = &document["paths"][path][method]["responses"]["200"]["content"];
        let (all, must) = keys(&document, &content["application/json"]["schema"]);
        let has: BTreeSet<String> = answer
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect();
        assert!(has.is_subset(&all), "{path}: {has:?} and {all:?}");
        assert!(must.is_subset(&has), "{path}: {has:?} and {must:?}");
        let refused = &document["paths"][path][method]["responses"]["500"]["content"];
        let (all, _) = keys(&document, &refused["application/json"]["schema"]);
        assert_eq!(all, BTreeSet::from(["error".to_owned()]));
    }
    let schema = &document["components"]["schemas"]["ErrorObject"];
    let (all, _) = keys(&document, schema);
    let has: BTreeSet<String> = error["error"]
        .as_object()
        .expect("an object")
        .keys()
        .cloned()
        .collect();
    assert_eq!(all, has);
}

#[tokio::test]
async fn it_is_kept_from_those_without_a_key() {
    let server = Server::start(Options {
        api_keys: vec!["sk-right".into()],
        ..Options::default()
    });
    let response = server.send(get("/openapi.json")).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}
