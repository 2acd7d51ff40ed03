//! Answers of a form, by the server and the small real model: whatever the model would rather say, and however hot
//! it is, the answer has the form that was asked for.

use serde::Deserialize;
use serde_json::{Value, json};
use sysinfer_conformance::fixtures::real_model;
use sysinfer_conformance::product::{Server, command};

const SEEDS: u64 = 3;

/// An object of the schema below, and nothing else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    #[serde(rename = "/a~b.c")]
    pointer: String,
    #[serde(rename = "城市")]
    city: String,
    share: f64,
    list: Vec<u8>,
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "/a~b.c": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"},
            "城市": {"enum": ["北京", "上海"]},
            "share": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "list": {"type": "array", "items": {"type": "integer", "minimum": 3, "maximum": 12}, "minItems": 1, "maxItems": 3},
        },
        "required": ["/a~b.c", "城市", "share", "list"],
        "additionalProperties": false,
    })
}

fn of_schema(text: &str) {
    let found: Found = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let (letters, digits) = found.pointer.split_once('-').expect("a dash");
    assert!(
        letters.len() == 2 && letters.bytes().all(|byte| byte.is_ascii_uppercase()),
        "{text}"
    );
    assert!(
        digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()),
        "{text}"
    );
    assert!(["北京", "上海"].contains(&found.city.as_str()), "{text}");
    assert!(found.share > 0.0 && found.share <= 1.0, "{text}");
    assert!((1..=3).contains(&found.list.len()), "{text}");
    assert!(
        found.list.iter().all(|item| (3..=12).contains(item)),
        "{text}"
    );
}

fn is_object(text: &str) {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert!(value.is_object(), "{text}");
}

fn of_regex(text: &str) {
    let digits = text.strip_prefix('#').expect(text);
    assert!(
        digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{text}"
    );
}

fn of_choice(text: &str) {
    assert!(["certainly", "never ever"].contains(&text), "{text}");
}

fn of_grammar(text: &str) {
    let numbers: Vec<&str> = text.split('+').collect();
    assert!((2..=4).contains(&numbers.len()), "{text}");
    assert!(
        numbers.iter().all(|number| (1..=2).contains(&number.len())),
        "{text}"
    );
    assert!(
        numbers.iter().all(|number| number.parse::<u8>().is_ok()),
        "{text}"
    );
}

#[test]
fn answers_have_the_form_that_was_asked_for() {
    let Some(model) = real_model("answers_have_the_form_that_was_asked_for") else {
        return;
    };
    let mut server = command("sysinfer-server");
    let server = Server::start(server.arg(model).args(["--threads", "1"]));
    let grammar = "root ::= number (\"+\" number){1,3}\nnumber ::= [0-9] [0-9]?";
    let forms: [(Value, fn(&str)); 5] = [
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema()}}}),
            of_schema,
        ),
        (
            json!({"response_format": {"type": "json_object"}}),
            is_object,
        ),
        (json!({"guided_regex": "#[0-9a-f]{6}"}), of_regex),
        (
            json!({"guided_choice": ["certainly", "never ever"]}),
            of_choice,
        ),
        (json!({"guided_grammar": grammar}), of_grammar),
    ];
    for (fields, judge) in forms {
        let mut whole = 0;
        for seed in 0..SEEDS {
            let mut body = json!({
                "messages": [{"role": "user", "content": "Describe a city."}],
                "temperature": 1.2, "seed": seed, "max_tokens": 120,
            });
            let fields = fields.as_object().expect("fields").clone();
            body.as_object_mut().expect("a body").extend(fields);
            let (status, answer) = server.post("/v1/chat/completions", &body);
            assert_eq!(status, 200, "{body}: {answer}");
            let answer: Value = serde_json::from_str(&answer).expect("JSON");
            let choice = &answer["choices"][0];
            // One that was cut at 120 tokens had no chance to end.
            if choice["finish_reason"] == "stop" {
                judge(choice["message"]["content"].as_str().expect("text"));
                whole += 1;
            }
        }
        assert!(whole > 0, "{fields}: no answer ended");
    }
    let impossible = json!({
        "messages": [{"role": "user", "content": "a"}],
        "guided_json": {"type": "object", "if": {}, "then": {}},
    });
    let (status, answer) = server.post("/v1/chat/completions", &impossible);
    assert_eq!(status, 400, "{answer}");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["error"]["param"], "guided_json", "{answer}");
}
