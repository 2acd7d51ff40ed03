//! What a field that is honoured may hold.

use serde_json::{Value, json};

/// A type of values. Null is always as if the field were absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// True or false.
    Bool,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A text.
    Text,
    /// Whole numbers.
    Integers,
    /// Texts.
    Texts,
    /// One text or many.
    TextOrTexts,
    /// An object.
    Object,
    /// Objects.
    Objects,
    /// What a JSON schema says, which does not speak of null.
    Schema(&'static str),
}

impl Type {
    /// The JSON schema of its values.
    pub fn schema(self) -> Value {
        let one = |kind: &str| json!({"type": [kind, "null"]});
        let many = |kind: &str| json!({"type": ["array", "null"], "items": {"type": kind}});
        match self {
            Self::Bool => one("boolean"),
            Self::Integer => one("integer"),
            Self::Number => one("number"),
            Self::Text => one("string"),
            Self::Object => one("object"),
            Self::Integers => many("integer"),
            Self::Texts => many("string"),
            Self::Objects => many("object"),
            Self::TextOrTexts => {
                json!({"type": ["string", "array", "null"], "items": {"type": "string"}})
            }
            Self::Schema(text) => {
                let schema: Value = serde_json::from_str(text).unwrap_or_default();
                json!({"anyOf": [schema, {"type": "null"}]})
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::api::fields::{Reading, TABLES};

    use super::*;

    #[test]
    fn schemas_are_json_and_examples_have_their_type() {
        for row in TABLES.iter().flat_map(|(_, rows)| rows.iter()) {
            let Reading::Honoured(of) = row.reading else {
                continue;
            };
            if let Type::Schema(text) = of {
                assert!(
                    serde_json::from_str::<Value>(text).is_ok(),
                    "{}: {text}",
                    row.name
                );
                continue;
            }
            let example: Value = serde_json::from_str(row.example).expect("rows hold JSON");
            let kind = match &example {
                Value::Bool(_) => "boolean",
                Value::Number(number) if number.is_i64() => "integer",
                Value::Number(_) => "number",
                Value::String(_) => "string",
                Value::Array(_) => "array",
                Value::Object(_) => "object",
                Value::Null => "null",
            };
            let schema = of.schema();
            let mut kinds = schema["type"].as_array().into_iter().flatten();
            let fits = kinds.any(|one| one == kind || (kind == "integer" && one == "number"));
            assert!(fits, "{}: {example}", row.name);
        }
    }
}
