//! Which form a request asks of its answer.

use serde_json::{Map, Value};

use crate::error::ApiError;

/// The form of an answer, and the field that asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// For errors.
    pub field: String,
    /// What is asked.
    pub form: Form,
    /// White space between the parts of JSON, as a regular expression; `None`: some.
    pub white_space: Option<String>,
}

/// A form that every answer of a request has.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// JSON that a schema describes.
    Schema(Value),
    /// Text that the whole regular expression matches.
    Regex(String),
    /// One of some texts.
    Choice(Vec<String>),
    /// Text of a grammar in Lark's syntax as llguidance reads it, or in llama.cpp's (GBNF).
    Grammar(String),
}

/// Any JSON object.
fn any_object() -> Form {
    Form::Schema(serde_json::json!({"type": "object"}))
}

/// Takes from a body what it asks of the form of its answer.
///
/// # Errors
/// A 400 that names the field: of a wrong type, of an unknown kind, or two that contradict each other.
pub fn take(body: &mut Map<String, Value>) -> Result<Option<Asked>, ApiError> {
    let mut found: Vec<(String, Form)> = Vec::new();
    if let Some(format) = given(body, "response_format") {
        found.extend(response_format(&format)?.map(|(field, form)| (field.into(), form)));
    }
    let mut white_space = pattern(
        given(body, "guided_whitespace_pattern"),
        "guided_whitespace_pattern",
    )?;
    for (field, read) in FIELDS {
        if let Some(value) = given(body, field) {
            found.extend(read(field, value)?.map(|form| (field.to_string(), form)));
        }
    }
    if let Some(outputs) = given(body, "structured_outputs") {
        let Value::Object(mut outputs) = outputs else {
            return Err(wrong("structured_outputs", "must be an object"));
        };
        for (key, read) in STRUCTURED {
            let field = format!("structured_outputs.{key}");
            if let Some(value) = given(&mut outputs, key) {
                found.extend(read(&field, value)?.map(|form| (field, form)));
            }
        }
        let pattern = pattern(
            given(&mut outputs, "whitespace_pattern"),
            "structured_outputs.whitespace_pattern",
        )?;
        white_space = pattern.or(white_space);
        // How it is compiled there; it is here by one way.
        outputs.remove("disable_fallback");
        if let Some(flag) = given(&mut outputs, "disable_any_whitespace") {
            match flag {
                Value::Bool(false) => {}
                Value::Bool(true) => white_space = Some(String::new()),
                _ => {
                    let field = "structured_outputs.disable_any_whitespace";
                    return Err(wrong(field, "must be true or false"));
                }
            }
        }
        outputs.retain(|_, value| asks(value));
        if let Some((key, _)) = outputs.into_iter().next() {
            let field = format!("structured_outputs.{key}");
            let message = format!("{field} is not supported; use json, regex, choice or grammar");
            return Err(ApiError::unsupported(field, message));
        }
    }
    if let [(first, _), (second, _), ..] = &found[..] {
        let message = format!("{first} and {second} each ask for a form of the answer; send one");
        return Err(ApiError::invalid_param(second.clone(), message));
    }
    Ok(found.pop().map(|(field, form)| Asked {
        field,
        form,
        white_space,
    }))
}

type Read = fn(&str, Value) -> Result<Option<Form>, ApiError>;

/// Fields at the top of a body: vLLM's old names, then llama-server's, SGLang's and Ollama's.
const FIELDS: [(&str, Read); 10] = [
    ("guided_json", schema),
    ("guided_regex", regex),
    ("guided_choice", choice),
    ("guided_grammar", grammar),
    ("guided_json_object", object),
    ("json_schema", schema),
    ("grammar", grammar),
    ("regex", regex),
    ("ebnf", grammar),
    ("format", format),
];

/// Fields of vLLM's `structured_outputs`.
const STRUCTURED: [(&str, Read); 5] = [
    ("json", schema),
    ("regex", regex),
    ("choice", choice),
    ("grammar", grammar),
    ("json_object", object),
];

fn response_format(format: &Value) -> Result<Option<(&'static str, Form)>, ApiError> {
    const FIELD: &str = "response_format";
    let Value::Object(fields) = format else {
        return Err(wrong(FIELD, "must be an object with a type"));
    };
    match fields.get("type").and_then(Value::as_str) {
        Some("text") => Ok(None),
        // llama-server takes a schema here too.
        Some("json_object") => Ok(Some(match fields.get("schema") {
            Some(schema) if asks(schema) => (
                FIELD,
                self::schema(FIELD, schema.clone())?.unwrap_or_else(any_object),
            ),
            _ => (FIELD, any_object()),
        })),
        Some("json_schema") => {
            const SCHEMA: &str = "response_format.json_schema.schema";
            let inner = fields.get("json_schema").unwrap_or(&Value::Null);
            let schema = inner.get("schema").or_else(|| fields.get("schema"));
            let schema = schema.filter(|schema| !schema.is_null());
            let schema = schema.ok_or_else(|| wrong(SCHEMA, "is missing"))?;
            Ok(self::schema(SCHEMA, schema.clone())?.map(|form| (SCHEMA, form)))
        }
        Some("regex") => {
            const PATTERN: &str = "response_format.pattern";
            let pattern = fields.get("pattern").cloned().unwrap_or_default();
            Ok(regex(PATTERN, pattern)?.map(|form| (PATTERN, form)))
        }
        Some("grammar") => {
            const GRAMMAR: &str = "response_format.grammar";
            let text = fields.get("grammar").cloned().unwrap_or_default();
            Ok(grammar(GRAMMAR, text)?.map(|form| (GRAMMAR, form)))
        }
        Some(other) => {
            let message = format!(
                "response_format.type \"{}\" is not supported; use text, json_object, json_schema, regex or grammar",
                other.chars().take(40).collect::<String>()
            );
            Err(ApiError::unsupported(FIELD, message))
        }
        None => Err(wrong(
            FIELD,
            "must have a type: text, json_object or json_schema",
        )),
    }
}

fn schema(field: &str, value: Value) -> Result<Option<Form>, ApiError> {
    let value = match value {
        // As text, for those who cannot nest JSON.
        Value::String(text) => serde_json::from_str(&text)
            .map_err(|error| wrong(field, &format!("is text that is no JSON: {error}")))?,
        value => value,
    };
    match value {
        Value::Object(_) | Value::Bool(true) => Ok(Some(Form::Schema(value))),
        Value::Bool(false) => Err(wrong(field, "is false, which no answer fulfils")),
        _ => Err(wrong(field, "must be a JSON schema: an object")),
    }
}

/// Ollama's way to ask for JSON: `"json"`, or a schema.
fn format(field: &str, value: Value) -> Result<Option<Form>, ApiError> {
    match value {
        Value::String(text) if text.is_empty() => Ok(None),
        Value::String(text) if text == "json" => Ok(Some(any_object())),
        Value::Object(_) => schema(field, value),
        _ => Err(wrong(field, "must be \"json\" or a JSON schema: an object")),
    }
}

fn regex(field: &str, value: Value) -> Result<Option<Form>, ApiError> {
    Ok(Some(Form::Regex(text(field, value)?)))
}

fn grammar(field: &str, value: Value) -> Result<Option<Form>, ApiError> {
    match value {
        Value::String(text) if text.trim().is_empty() => Ok(None),
        value => Ok(Some(Form::Grammar(text(field, value)?))),
    }
}

fn choice(field: &str, value: Value) -> Result<Option<Form>, ApiError> {
    let wanted = "must be a list of texts, each of at least a character";
    let texts: Vec<String> = serde_json::from_value(value).map_err(|_| wrong(field, wanted))?;
    match texts.is_empty() || texts.iter().any(String::is_empty) {
        true => Err(wrong(field, wanted)),
        false => Ok(Some(Form::Choice(texts))),
    }
}

fn object(field: &str, value: Value) -> Result<Option<Form>, ApiError> {
    match value {
        Value::Bool(asked) => Ok(asked.then(any_object)),
        _ => Err(wrong(field, "must be true or false")),
    }
}

fn pattern(value: Option<Value>, field: &str) -> Result<Option<String>, ApiError> {
    value.map(|value| text(field, value)).transpose()
}

fn text(field: &str, value: Value) -> Result<String, ApiError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(wrong(field, "must be a text")),
    }
}

/// Takes a field that is there and not null.
fn given(body: &mut Map<String, Value>, field: &str) -> Option<Value> {
    body.remove(field).filter(|value| !value.is_null())
}

/// Whether a value asks for something.
fn asks(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

fn wrong(field: &str, what: &str) -> ApiError {
    ApiError::invalid_param(field, format!("{field} {what}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(body: Value) -> Result<Option<Asked>, ApiError> {
        take(&mut body.as_object().cloned().unwrap_or_default())
    }

    #[test]
    fn every_name_of_a_form_is_known() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
        let of_schema = Form::Schema(schema.clone());
        let choice = Form::Choice(vec!["yes".into(), "no".into()]);
        let cases = [
            (
                json!({"response_format": {"type": "json_object"}}),
                any_object(),
            ),
            (
                json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": true}}}),
                of_schema.clone(),
            ),
            (
                json!({"response_format": {"type": "json_object", "schema": schema}}),
                of_schema.clone(),
            ),
            (json!({"guided_json": schema}), of_schema.clone()),
            (
                json!({"guided_json": schema.to_string()}),
                of_schema.clone(),
            ),
            (json!({"json_schema": schema}), of_schema.clone()),
            (
                json!({"structured_outputs": {"json": schema}}),
                of_schema.clone(),
            ),
            (json!({"guided_regex": "a+"}), Form::Regex("a+".into())),
            (
                json!({"structured_outputs": {"regex": "a+"}}),
                Form::Regex("a+".into()),
            ),
            (json!({"guided_choice": ["yes", "no"]}), choice.clone()),
            (
                json!({"structured_outputs": {"choice": ["yes", "no"]}}),
                choice,
            ),
            (
                json!({"guided_grammar": "start: \"a\""}),
                Form::Grammar("start: \"a\"".into()),
            ),
            (
                json!({"grammar": "root ::= \"a\""}),
                Form::Grammar("root ::= \"a\"".into()),
            ),
            (json!({"guided_json_object": true}), any_object()),
            (json!({"format": "json"}), any_object()),
            (json!({"format": schema}), of_schema.clone()),
            (json!({"regex": "a+"}), Form::Regex("a+".into())),
            (
                json!({"ebnf": "root ::= \"a\""}),
                Form::Grammar("root ::= \"a\"".into()),
            ),
        ];
        for (body, wanted) in cases {
            let found = asked(body.clone()).expect("valid").expect("asks");
            assert_eq!(found.form, wanted, "{body}");
        }
    }

    #[test]
    fn bodies_that_ask_for_nothing_get_nothing() {
        for body in [
            json!({}),
            json!({"response_format": null, "guided_json": null, "grammar": ""}),
            json!({"response_format": {"type": "text"}, "guided_json_object": false}),
            json!({"format": "", "ebnf": "", "regex": null}),
            json!({"structured_outputs": {"json": null, "json_object": false}}),
        ] {
            assert_eq!(asked(body.clone()).expect("valid"), None, "{body}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_name() {
        let cases = [
            (json!({"response_format": "json"}), "response_format"),
            (
                json!({"response_format": {"type": "structural_tag"}}),
                "response_format",
            ),
            (
                json!({"response_format": {"type": "json_schema"}}),
                "response_format.json_schema.schema",
            ),
            (json!({"guided_json": "{"}), "guided_json"),
            (json!({"guided_json": 3}), "guided_json"),
            (json!({"guided_json": false}), "guided_json"),
            (json!({"guided_regex": 3}), "guided_regex"),
            (json!({"guided_choice": []}), "guided_choice"),
            (json!({"guided_choice": ["a", ""]}), "guided_choice"),
            (json!({"guided_choice": "a"}), "guided_choice"),
            (json!({"guided_json_object": "yes"}), "guided_json_object"),
            (json!({"format": "xml"}), "format"),
            (json!({"format": true}), "format"),
            (json!({"ebnf": 3}), "ebnf"),
            (json!({"structured_outputs": []}), "structured_outputs"),
            (
                json!({"structured_outputs": {"structural_tag": "x"}}),
                "structured_outputs.structural_tag",
            ),
            (
                json!({"guided_regex": "a", "guided_choice": ["a"]}),
                "guided_choice",
            ),
            (
                json!({"response_format": {"type": "json_object"}, "guided_regex": "a"}),
                "guided_regex",
            ),
        ];
        for (body, field) in cases {
            let error = asked(body.clone()).expect_err("refused").body();
            assert_eq!(error["error"]["param"], field, "{body}: {error}");
        }
    }

    #[test]
    fn white_space_is_as_asked() {
        let pattern = |body| asked(body).expect("valid").expect("asks").white_space;
        let schema = json!({});
        let with = json!({"guided_json": schema, "guided_whitespace_pattern": " ?"});
        assert_eq!(pattern(with), Some(" ?".into()));
        let none = json!({"structured_outputs": {"json": schema, "disable_any_whitespace": true}});
        assert_eq!(pattern(none), Some(String::new()));
        assert_eq!(pattern(json!({"guided_json": schema})), None);
    }
}
