//! The body of a request for embeddings, by the names of every API that has one.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::prompt::{self, WirePrompt};
use crate::api::take::Fields;
use crate::error::ApiError;

/// Names of what is embedded: OpenAI's and Ollama's, TEI's, and Ollama's old one.
const INPUT: [&str; 3] = ["input", "inputs", "prompt"];

/// What `embd_normalize` is where a vector is to have length 1, ...
const EUCLIDEAN: i64 = 2;
/// ... and where it is to stay as it is.
const AS_IT_IS: i64 = -1;

/// A request for embeddings, with types checked and nothing else.
#[derive(Debug)]
pub struct EmbeddingRequest {
    /// The name under which the inputs came.
    pub field: &'static str,
    /// What is embedded; there may be none.
    pub inputs: Vec<WirePrompt>,
    /// How vectors are written.
    pub encoding: Encoding,
    /// Values that a vector is to have.
    pub dimensions: Option<i64>,
    /// Scale vectors to length 1. `None`: as the API does.
    pub normalize: Option<bool>,
    /// Cut inputs that are too long. `None`: as the API does.
    pub truncate: Option<bool>,
    /// Begin with the token that begins a text, where the model has one. `None`: as usual.
    pub add_special_tokens: Option<bool>,
}

/// How vectors are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// A list of numbers.
    #[default]
    Float,
    /// The base64 of their bytes, as f32 in little-endian order.
    Base64,
}

impl EmbeddingRequest {
    /// Parses the object of a request body.
    ///
    /// # Errors
    /// A 400 that names the first field of a wrong type.
    pub fn from_object(object: Map<String, Value>) -> Result<Self, ApiError> {
        let mut fields = Fields::new(object);
        // The name is echoed from our side whatever is asked, but it should be a name.
        fields.take::<String>("model")?;
        let (field, inputs) = inputs(&mut fields)?;
        let encoding = fields.take("encoding_format").map_err(|_| {
            let message = "encoding_format must be \"float\" or \"base64\"";
            ApiError::invalid_param("encoding_format", message)
        })?;
        Ok(Self {
            field,
            inputs,
            encoding: encoding.unwrap_or_default(),
            dimensions: fields.take("dimensions")?,
            normalize: normalize(&mut fields)?,
            truncate: fields.take("truncate")?,
            add_special_tokens: fields.take("add_special_tokens")?,
        })
    }
}

/// The inputs under the one of their names that was sent.
fn inputs(fields: &mut Fields) -> Result<(&'static str, Vec<WirePrompt>), ApiError> {
    let mut found = None;
    for name in INPUT {
        let Some(inputs) = prompt::take(fields, name)? else {
            continue;
        };
        if let Some((first, _)) = found.replace((name, inputs)) {
            let message = format!("{name} and {first} are the same here; send one of them");
            return Err(ApiError::invalid_param(name, message));
        }
    }
    Ok(found.unwrap_or((INPUT[0], Vec::new())))
}

/// Whether vectors are to have length 1: TEI's name, vLLM's, and llama-server's number.
fn normalize(fields: &mut Fields) -> Result<Option<bool>, ApiError> {
    let asked = fields.either(&["normalize", "use_activation"])?.value;
    let by_number = match fields.take("embd_normalize")? {
        None => None,
        Some(EUCLIDEAN) => Some(true),
        Some(AS_IT_IS) => Some(false),
        Some(other) => {
            let message = format!(
                "embd_normalize is {other}: vectors have length 1 ({EUCLIDEAN}) or stay as they are ({AS_IT_IS})"
            );
            return Err(ApiError::unsupported("embd_normalize", message));
        }
    };
    match (asked, by_number) {
        (Some(asked), Some(other)) if asked != other => {
            let message = "embd_normalize and normalize contradict each other; send one of them";
            Err(ApiError::invalid_param("embd_normalize", message))
        }
        _ => Ok(asked.or(by_number)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: Value) -> Result<EmbeddingRequest, ApiError> {
        EmbeddingRequest::from_object(body.as_object().cloned().unwrap_or_default())
    }

    #[test]
    fn inputs_have_a_name_in_each_api() {
        for name in INPUT {
            let request = parse(json!({name: ["a", "b"]})).expect("valid");
            assert_eq!((request.field, request.inputs.len()), (name, 2));
        }
        let request = parse(json!({"input": null})).expect("valid");
        assert_eq!((request.field, request.inputs.len()), ("input", 0));
        let error = parse(json!({"input": "a", "prompt": "a"})).expect_err("two");
        assert_eq!(error.body()["error"]["param"], "prompt");
        for sent in [
            json!(3),
            json!(["a", 1]),
            json!([-1]),
            json!([1.5]),
            json!({}),
        ] {
            let error = parse(json!({"inputs": sent})).expect_err("refused");
            assert_eq!(error.body()["error"]["param"], "inputs", "{error:?}");
        }
    }

    #[test]
    fn length_one_is_asked_for_in_three_ways() {
        let cases = [
            (json!({}), Some(None)),
            (json!({"normalize": false}), Some(Some(false))),
            (json!({"use_activation": true}), Some(Some(true))),
            (json!({"embd_normalize": 2}), Some(Some(true))),
            (
                json!({"embd_normalize": -1, "normalize": false}),
                Some(Some(false)),
            ),
            (json!({"embd_normalize": -1, "normalize": true}), None),
            (json!({"use_activation": false, "normalize": true}), None),
            (json!({"embd_normalize": 0}), None),
        ];
        for (body, wanted) in cases {
            let found = parse(body.clone()).ok().map(|request| request.normalize);
            assert_eq!(found, wanted, "{body}");
        }
    }
}
