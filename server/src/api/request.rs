//! `POST /v1/chat/completions`: the body, field by field.
//!
//! Each top-level field is parsed on its own, so that an error names it in `param`, `null` means
//! absent, and fields that this server does not know never fail a request.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::ApiError;

/// A chat request with types checked and nothing else.
#[derive(Debug, Default)]
pub struct ChatRequest {
    /// The conversation, oldest first: each message as it was sent, with its fields in their order.
    pub messages: Vec<Map<String, Value>>,
    /// Answer as server-sent events.
    pub stream: bool,
    /// What a stream carries besides text.
    pub stream_options: StreamOptions,
    /// Most tokens of the answer, by its old name.
    pub max_tokens: Option<i64>,
    /// Most tokens of the answer; wins over `max_tokens`.
    pub max_completion_tokens: Option<i64>,
    /// Fewest tokens of the answer.
    pub min_tokens: Option<i64>,
    /// Generate past the model's end tokens.
    pub ignore_eos: bool,
    /// How tokens are drawn.
    pub sampling: WireSampling,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Report the logprob of each token.
    pub logprobs: bool,
    /// How many alternatives to report with it.
    pub top_logprobs: Option<i64>,
    /// Number of answers.
    pub n: Option<i64>,
    /// Variables for the chat template: `chat_template_kwargs` and `enable_thinking`.
    pub variables: Map<String, Value>,
}

/// `stream_options`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct StreamOptions {
    /// Send a last chunk with the token counts.
    #[serde(default)]
    pub include_usage: Option<bool>,
}

/// Sampling fields, as numbers of any size.
#[derive(Debug, Default)]
pub struct WireSampling {
    /// 0 to 2; 0 is greedy.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// -1 or 0: off.
    pub top_k: Option<i64>,
    /// 0 to 1.
    pub min_p: Option<f64>,
    /// Above 0; 1 is off.
    pub repetition_penalty: Option<f64>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// Token id (as text) to bias.
    pub logit_bias: Map<String, Value>,
    /// Makes draws repeatable.
    pub seed: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// The top-level fields, taken one by one.
struct Fields(Map<String, Value>);

impl Fields {
    fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, ApiError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value)
                .map(Some)
                .map_err(|error| ApiError::invalid_param(name, format!("{name}: {error}"))),
        }
    }

    fn flag(&mut self, name: &str) -> Result<bool, ApiError> {
        Ok(self.take(name)?.unwrap_or(false))
    }
}

impl ChatRequest {
    /// Parses the object of a request body.
    ///
    /// # Errors
    /// A 400 that names the first field of a wrong type, or `messages` when absent.
    pub fn from_object(object: Map<String, Value>) -> Result<Self, ApiError> {
        let mut fields = Fields(object);
        // The name is echoed from our side whatever is asked, but it should be a name.
        fields.take::<String>("model")?;
        Ok(Self {
            messages: messages(&mut fields)?,
            stream: fields.flag("stream")?,
            stream_options: fields.take("stream_options")?.unwrap_or_default(),
            max_tokens: fields.take("max_tokens")?,
            max_completion_tokens: fields.take("max_completion_tokens")?,
            min_tokens: fields.take("min_tokens")?,
            ignore_eos: fields.flag("ignore_eos")?,
            sampling: sampling(&mut fields)?,
            stop: stop(&mut fields)?,
            logprobs: fields.flag("logprobs")?,
            top_logprobs: fields.take("top_logprobs")?,
            n: fields.take("n")?,
            variables: variables(&mut fields)?,
        })
    }
}

fn messages(fields: &mut Fields) -> Result<Vec<Map<String, Value>>, ApiError> {
    let list: Vec<Value> = fields.take("messages")?.ok_or_else(|| {
        ApiError::invalid_param(
            "messages",
            "messages is missing; send a list of {role, content}",
        )
    })?;
    let object = |(index, value)| match value {
        Value::Object(fields) => Ok(fields),
        other => {
            let param = format!("messages[{index}]");
            let message = format!("{param} must be an object of role and content, not {other}");
            Err(ApiError::invalid_param(param, message))
        }
    };
    list.into_iter().enumerate().map(object).collect()
}

fn sampling(fields: &mut Fields) -> Result<WireSampling, ApiError> {
    Ok(WireSampling {
        temperature: fields.take("temperature")?,
        top_p: fields.take("top_p")?,
        top_k: fields.take("top_k")?,
        min_p: fields.take("min_p")?,
        repetition_penalty: fields.take("repetition_penalty")?,
        presence_penalty: fields.take("presence_penalty")?,
        frequency_penalty: fields.take("frequency_penalty")?,
        logit_bias: fields.take("logit_bias")?.unwrap_or_default(),
        seed: fields.take("seed")?,
    })
}

fn stop(fields: &mut Fields) -> Result<Vec<String>, ApiError> {
    let wrong = "stop must be a string or a list of strings";
    let found = fields
        .take("stop")
        .map_err(|_| ApiError::invalid_param("stop", wrong))?;
    Ok(match found {
        None => Vec::new(),
        Some(OneOrMany::One(text)) => vec![text],
        Some(OneOrMany::Many(texts)) => texts,
    })
}

fn variables(fields: &mut Fields) -> Result<Map<String, Value>, ApiError> {
    let mut variables: Map<String, Value> =
        fields.take("chat_template_kwargs")?.unwrap_or_default();
    if let Some(thinking) = fields.take::<Value>("enable_thinking")? {
        variables.insert("enable_thinking".into(), thinking);
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: Value) -> Result<ChatRequest, ApiError> {
        ChatRequest::from_object(body.as_object().cloned().unwrap_or_default())
    }

    #[test]
    fn unknown_fields_and_nulls_pass() {
        let request = parse(json!({
            "model": "any", "messages": [{"role": "user", "content": "hi", "name": "x"}],
            "enable_thinking": false, "user": "u", "metadata": {"a": 1}, "temperature": null,
            "stop": null, "stream_options": {"include_usage": true, "other": 1}, "max_tokens": null,
        }))
        .expect("valid");
        assert_eq!(request.variables["enable_thinking"], json!(false));
        assert_eq!(request.stream_options.include_usage, Some(true));
        assert_eq!(
            (request.sampling.temperature, request.max_tokens),
            (None, None)
        );
    }

    #[test]
    fn wrong_types_name_their_field() {
        let messages = json!([{"role": "user", "content": "hi"}]);
        let cases = [
            (json!({"model": 3, "messages": messages}), "model"),
            (json!({"model": "m"}), "messages"),
            (json!({"messages": "hi"}), "messages"),
            (json!({"messages": [7]}), "messages[0]"),
            (
                json!({"messages": messages, "temperature": "hot"}),
                "temperature",
            ),
            (
                json!({"messages": messages, "max_tokens": 1.5}),
                "max_tokens",
            ),
            (json!({"messages": messages, "stream": "yes"}), "stream"),
            (json!({"messages": messages, "stop": [1]}), "stop"),
            (
                json!({"messages": messages, "logit_bias": [1]}),
                "logit_bias",
            ),
            (json!({"messages": messages, "seed": 1e300}), "seed"),
        ];
        for (body, param) in cases {
            let error = parse(body).expect_err(param).body();
            assert_eq!(error["error"]["param"], param, "{error}");
        }
    }
}
