//! JSON of which every reader understands the same.
//!
//! Of a key that stands twice in an object, some readers take the first value and some the last, so that what a
//! proxy has let through need not be what is done here. Such a text is refused.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Longest part of a key that is shown.
const SHOWN: usize = 40;

/// The value that is written in `text`.
///
/// # Errors
/// What is wrong, and where: no JSON, nested deeper than 128, or a key twice.
pub fn value(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Once.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Reads values of whose keys each is there once.
struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Once)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if object.contains_key(&key) {
                let key: String = key.chars().take(SHOWN).collect();
                return Err(A::Error::custom(format!("the key {key:?} is there twice")));
            }
            object.insert(key, fields.next_value_seed(Once)?);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_serde_json() {
        for text in [
            r#"{"b": [1, -2, 0.1, 1e300, true, null, "\u00e9\ud83d\ude00", {"a": {}}], "a": []}"#,
            "18446744073709551615",
            "100000000000000000000000000000",
            " \n[] ",
        ] {
            let wanted: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(value(text.as_bytes()).expect("JSON"), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_by_all_is_refused() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(value(deep(120).as_bytes()).is_ok());
        let cases = [
            (
                r#"{"a": 1, "b": {"c": 1, "c": 2}}"#.to_owned(),
                "\"c\" is there twice",
            ),
            (
                r#"{"a": 1, "\u0061": 2}"#.to_owned(),
                "\"a\" is there twice",
            ),
            (deep(200), "recursion limit"),
            ("[1] 2".to_owned(), "trailing"),
            ("NaN".to_owned(), "expected value"),
            ("[1e999]".to_owned(), "out of range"),
        ];
        for (text, why) in cases {
            let error = value(text.as_bytes()).expect_err(&text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
