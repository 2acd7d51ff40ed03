//! Taking fields out of a body one by one.
//!
//! Each is parsed on its own, so that an error names it in `param`, `null` means absent, and fields that
//! this server does not know never fail a request.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::ApiError;

/// The top-level fields of a body.
pub struct Fields(Map<String, Value>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Fields {
    /// All fields of a body.
    pub fn new(body: Map<String, Value>) -> Self {
        Self(body)
    }

    /// Takes a field, which is `None` where it is absent or null.
    ///
    /// # Errors
    /// A 400 that names the field, if it is of another type.
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, ApiError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value)
                .map(Some)
                .map_err(|error| ApiError::invalid_param(name, format!("{name}: {error}"))),
        }
    }

    /// Takes a field that is off where it is absent.
    ///
    /// # Errors
    /// As [`Fields::take`].
    pub fn flag(&mut self, name: &str) -> Result<bool, ApiError> {
        Ok(self.take(name)?.unwrap_or(false))
    }

    /// Takes a field that is a list of texts, or one text.
    ///
    /// # Errors
    /// As [`Fields::take`].
    pub fn texts(&mut self, name: &str) -> Result<Vec<String>, ApiError> {
        let wrong = format!("{name} must be a string or a list of strings");
        let found = self.take(name);
        Ok(
            match found.map_err(|_| ApiError::invalid_param(name, wrong))? {
                None => Vec::new(),
                Some(OneOrMany::One(text)) => vec![text],
                Some(OneOrMany::Many(texts)) => texts,
            },
        )
    }

    /// Takes all names of one thing and returns the first that is there, under its name. Clients may send
    /// several that say the same.
    ///
    /// # Errors
    /// As [`Fields::take`]; or two that say different things.
    pub fn either<T: DeserializeOwned + PartialEq + ToString>(
        &mut self,
        names: &[&'static str],
    ) -> Result<Named<T>, ApiError> {
        let mut found: Option<(&'static str, T)> = None;
        for name in names {
            let Some(value) = self.take::<T>(name)? else {
                continue;
            };
            match &found {
                None => found = Some((name, value)),
                Some((_, same)) if *same == value => {}
                Some((first, other)) => {
                    let (other, value) = (other.to_string(), value.to_string());
                    let message = format!("{first} is {other} and {name} is {value}; send one");
                    return Err(ApiError::invalid_param(*name, message));
                }
            }
        }
        Ok(found.into())
    }

    /// Takes all names of one thing and returns the first that is there, under its name, whatever the others
    /// say.
    ///
    /// # Errors
    /// As [`Fields::take`].
    pub fn first<T: DeserializeOwned>(
        &mut self,
        names: &[&'static str],
    ) -> Result<Named<T>, ApiError> {
        let mut found = None;
        for name in names {
            let value = self.take::<T>(name)?;
            found = found.or(value.map(|value| (*name, value)));
        }
        Ok(found.into())
    }
}

/// A value under the name that the client gave it, for errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Named<T> {
    /// The name, or the usual one where there is no value.
    pub name: &'static str,
    /// The value.
    pub value: Option<T>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        None.into()
    }
}

impl<T> From<Option<(&'static str, T)>> for Named<T> {
    fn from(found: Option<(&'static str, T)>) -> Self {
        match found {
            Some((name, value)) => Self {
                name,
                value: Some(value),
            },
            None => Self {
                name: "",
                value: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(body: Value) -> Fields {
        Fields::new(body.as_object().cloned().unwrap_or_default())
    }

    #[test]
    fn names_of_one_thing_may_agree_and_not_contradict() {
        let names = ["a", "b"];
        let either = |body| fields(body).either::<i64>(&names);
        let found = either(json!({"b": 3, "a": null})).expect("one");
        assert_eq!((found.name, found.value), ("b", Some(3)));
        let found = either(json!({"b": 3, "a": 3})).expect("they agree");
        assert_eq!((found.name, found.value), ("a", Some(3)));
        assert_eq!(either(json!({})).expect("none").value, None);
        let error = either(json!({"a": 3, "b": 4})).expect_err("two").body();
        assert_eq!(error["error"]["param"], "b", "{error}");
        let error = either(json!({"a": "x"})).expect_err("type").body();
        assert_eq!(error["error"]["param"], "a", "{error}");
    }

    #[test]
    fn a_text_is_a_list_of_one() {
        let texts = |body| fields(body).texts("stop");
        assert_eq!(texts(json!({"stop": "x"})).expect("one"), ["x"]);
        assert_eq!(texts(json!({"stop": ["x", "y"]})).expect("two"), ["x", "y"]);
        assert!(texts(json!({"stop": null})).expect("none").is_empty());
        assert!(texts(json!({"stop": [1]})).is_err());
    }
}
