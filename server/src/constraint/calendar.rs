//! Days and seconds that there are.
//!
//! What follows a `format` of dates and times lets 29 February through in every year, and the second 60 at any time
//! of day. So a schema with such a format gets a pattern beside it: a leap day in leap years alone, and no leap second.

use serde_json::{Map, Value, json};

/// Keywords whose values are schemas by name, ...
const BY_NAME: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];
/// ... and those whose value is a schema, or a list of them.
const INNER: [&str; 7] = [
    "items",
    "prefixItems",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "oneOf",
];

/// A date whose month is another one, whose day is an earlier one, or whose year is a leap year.
const DATE: &str = "([0-9]{4}-(0[13-9]|1[0-2])-[0-9]{2}|[0-9]{4}-02-([01][0-9]|2[0-8])|\
                    ([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)";
/// A time whose second is below 60.
const TIME: &str = "[0-9]{2}:[0-9]{2}:[0-5][0-9]";

/// Adds patterns to a schema, wherever in it such a format stands.
pub(super) fn hold_to(fields: &mut Map<String, Value>) {
    for name in BY_NAME {
        if let Some(Value::Object(schemas)) = fields.get_mut(name) {
            schemas.values_mut().for_each(within);
        }
    }
    for name in INNER {
        match fields.get_mut(name) {
            Some(Value::Array(schemas)) => schemas.iter_mut().for_each(within),
            Some(schema) => within(schema),
            None => {}
        }
    }
    let pattern = match fields.get("format").and_then(Value::as_str) {
        Some("date") => format!("^{DATE}"),
        Some("time") => format!("^{TIME}"),
        Some("date-time") => format!("^{DATE}[^0-9]{TIME}"),
        _ => return,
    };
    let all = fields.entry("allOf").or_insert(json!([]));
    if let Value::Array(all) = all {
        all.push(json!({"pattern": pattern}));
    }
}

fn within(schema: &mut Value) {
    if let Value::Object(fields) = schema {
        hold_to(fields);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_get_patterns_where_they_are_keywords() {
        let mut schema = json!({
            "properties": {"format": {"format": "date"}, "at": {"items": {"anyOf": [{"format": "time"}]}}},
            "enum": [{"format": "date"}], "format": "uuid",
        });
        within(&mut schema);
        let added = |value: &Value| value["allOf"][0]["pattern"].is_string();
        assert!(added(&schema["properties"]["format"]));
        assert!(added(&schema["properties"]["at"]["items"]["anyOf"][0]));
        assert!(schema["properties"].get("allOf").is_none());
        assert!(schema["enum"][0].get("allOf").is_none());
        assert!(schema.get("allOf").is_none());
    }
}
