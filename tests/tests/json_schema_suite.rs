//! Answers of a JSON Schema, held to the JSON Schema Test Suite: no instance that a schema forbids can be an answer, and
//! a schema that cannot be followed is refused with its keyword named.
//!
//! The suite is in the source package of the Python package jsonschema; `make test` fetches it. Its folder is
//! `SYSINFER_TEST_SCHEMAS`. Instances are followed token by token in Qwen2's vocabulary, as answers are.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use sysinfer_conformance::fixtures::fetched_folder;
use sysinfer_engine::Tokenizer;
use sysinfer_engine::tokenizer::Encode;
use sysinfer_formats::Gguf;
use sysinfer_machine::FileMap;
use sysinfer_server::constraint::follow::Follow;
use sysinfer_server::constraint::{Asked, Form, Grammars};
use sysinfer_server::scheduler::Guide;

/// Folders of the suite, and what a schema says to be read as one of theirs.
const DRAFTS: [(&str, &str); 5] = [
    ("draft4", "http://json-schema.org/draft-04/schema#"),
    ("draft6", "http://json-schema.org/draft-06/schema#"),
    ("draft7", "http://json-schema.org/draft-07/schema#"),
    (
        "draft2019-09",
        "https://json-schema.org/draft/2019-09/schema",
    ),
    (
        "draft2020-12",
        "https://json-schema.org/draft/2020-12/schema",
    ),
];

/// A schema and instances.
#[derive(Deserialize)]
struct Group {
    description: String,
    schema: Value,
    tests: Vec<Instance>,
}

#[derive(Deserialize)]
struct Instance {
    data: Value,
    valid: bool,
}

/// What became of a draft's schemas and instances.
#[derive(Debug, Default)]
struct Counts {
    followed: usize,
    refused: usize,
    forbidden: usize,
    valid: usize,
    valid_let_through: usize,
}

/// The groups of a draft by file, with those that are about formats.
fn groups(draft: &Path) -> BTreeMap<String, Vec<Group>> {
    let mut found = BTreeMap::new();
    for folder in [draft.to_owned(), draft.join("optional/format")] {
        for entry in std::fs::read_dir(&folder).expect("a folder of the suite") {
            let path = entry.expect("an entry").path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let text = std::fs::read_to_string(&path).expect("a readable file");
                let groups = serde_json::from_str(&text).expect("groups of tests");
                let name = path.strip_prefix(draft).expect("inside").display();
                found.insert(name.to_string(), groups);
            }
        }
    }
    found
}

/// Whether the whole text, and nothing more, can be an answer.
fn can_be(answer: &Follow, tokens: &[u32]) -> bool {
    let mut answer = answer.begun();
    for token in tokens {
        if !answer.allows(*token).expect("cheap") {
            return false;
        }
        answer.take(*token).expect("allowed");
    }
    answer.may_end().expect("cheap")
}

/// Whether a message names a keyword, or something else, that the schema has somewhere. What a schema cannot be asked
/// for is named also where it stands in a meta-schema that this one refers to.
fn names_what_is_wrong(message: &str, schema: &Value) -> bool {
    ["Unimplemented keys: [", "Unknown format: "]
        .iter()
        .any(|words| message.contains(words))
        || names_part(message, schema)
}

fn names_part(message: &str, schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields
            .iter()
            .any(|(key, value)| message.contains(key.as_str()) || names_part(message, value)),
        Value::Array(items) => items.iter().any(|item| names_part(message, item)),
        Value::Bool(value) => message.contains(&value.to_string()),
        _ => false,
    }
}

#[test]
fn no_instance_that_a_schema_forbids_can_be_an_answer() {
    const TEST: &str = "no_instance_that_a_schema_forbids_can_be_an_answer";
    let Some(suite) = fetched_folder("SYSINFER_TEST_SCHEMAS", TEST) else {
        return;
    };
    let Some(vocabularies) = fetched_folder("SYSINFER_TEST_VOCAB", TEST) else {
        return;
    };
    let map = FileMap::open(&vocabularies.join("ggml-vocab-qwen2.gguf")).expect("a file");
    let file = Gguf::parse(&map).expect("a vocabulary");
    let tokenizer = Tokenizer::from_gguf(file.metadata()).expect("a tokenizer");
    let tokenizer = tokenizer.expect("it has one");
    let size = tokenizer.vocabulary_size();
    let end = (0..size as u32).find(|token| tokenizer.is_end(*token));
    let grammars = Grammars::new(&tokenizer, size, end).expect("a usable vocabulary");
    let plain = Encode {
        add_special: false,
        parse_special: false,
    };
    let mut wrong = Vec::new();
    for (draft, says) in DRAFTS {
        let mut counts = Counts::default();
        for (file, groups) in groups(&suite.join(draft)) {
            for Group {
                description,
                mut schema,
                tests,
            } in groups
            {
                if let Value::Object(fields) = &mut schema {
                    fields.entry("$schema").or_insert(json!(says));
                }
                let place = format!("{draft}/{file}: {description}: {schema}");
                let form = Form::Schema(schema.clone());
                let asked = Asked {
                    field: "guided_json".into(),
                    form,
                    white_space: None,
                };
                let follow = match grammars.compile(&asked) {
                    Ok(follow) => follow,
                    Err(error) => {
                        counts.refused += 1;
                        let message = error.body()["error"]["message"].to_string();
                        if !names_what_is_wrong(&message, &schema) {
                            wrong.push(format!(
                                "{place}\n    is refused, and this does not say what for: {message}"
                            ));
                        }
                        continue;
                    }
                };
                counts.followed += 1;
                for Instance { data, valid } in tests {
                    let tokens = tokenizer.encode(&data.to_string(), plain);
                    let can_be = can_be(&follow, &tokens);
                    counts.forbidden += usize::from(!valid);
                    counts.valid += usize::from(valid);
                    counts.valid_let_through += usize::from(valid && can_be);
                    if can_be && !valid {
                        wrong.push(format!("{place}\n    lets {data} through"));
                    }
                }
            }
        }
        println!("{draft}: {counts:?}");
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
