//! The body of a chat.

use serde_json::{Map, Value};

use super::Answer;
use crate::api::take::Fields;
use crate::error::ApiError;

/// A chat request with types checked and nothing else.
#[derive(Debug, Default)]
pub struct ChatRequest {
    /// The conversation, oldest first: each message as it was sent, with its fields in their order.
    pub messages: Vec<Map<String, Value>>,
    /// Variables for the chat template: `chat_template_kwargs`, and fields that stand for one.
    pub variables: Map<String, Value>,
    /// Let the template begin the assistant's turn. `None`: as usual.
    pub add_generation_prompt: Option<bool>,
    /// Go on with the last message instead of answering it.
    pub continue_final_message: bool,
    /// Report the logprob of each token.
    pub logprobs: bool,
    /// How many alternatives to report with it.
    pub top_logprobs: Option<i64>,
    /// The answer.
    pub answer: Answer,
}

impl ChatRequest {
    /// Parses the object of a request body.
    ///
    /// # Errors
    /// A 400 that names the first field of a wrong type, or `messages` when absent.
    pub fn from_object(object: Map<String, Value>) -> Result<Self, ApiError> {
        let mut fields = Fields::new(object);
        Ok(Self {
            messages: messages(&mut fields)?,
            variables: variables(&mut fields)?,
            add_generation_prompt: fields.take("add_generation_prompt")?,
            continue_final_message: fields.flag("continue_final_message")?,
            logprobs: fields.flag("logprobs")?,
            top_logprobs: fields.take("top_logprobs")?,
            answer: Answer::take(&mut fields)?,
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

fn variables(fields: &mut Fields) -> Result<Map<String, Value>, ApiError> {
    let mut variables: Map<String, Value> =
        fields.take("chat_template_kwargs")?.unwrap_or_default();
    for name in ["enable_thinking", "documents"] {
        if let Some(value) = fields.take::<Value>(name)? {
            variables.insert(name.into(), value);
        }
    }
    for name in ["reasoning_effort", "verbosity"] {
        if let Some(value) = fields.take::<String>(name)? {
            variables.insert(name.into(), value.into());
        }
    }
    // Templates that know no efforts know this.
    if variables.get("reasoning_effort") == Some(&"none".into()) {
        variables
            .entry("enable_thinking")
            .or_insert(Value::Bool(false));
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
        assert_eq!(request.answer.stream_options.include_usage, Some(true));
        assert_eq!(
            (
                request.answer.sampling.temperature,
                request.answer.max_tokens.value
            ),
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

    #[test]
    fn the_most_tokens_have_many_names() {
        let cases = [
            (
                json!({"max_tokens": 3, "max_completion_tokens": 4}),
                Some(4),
            ),
            (json!({"max_tokens": 3, "n_predict": -1}), Some(3)),
            (json!({"n_predict": -1}), None),
            (json!({"num_predict": -2}), None),
            (json!({"num_predict": 7}), Some(7)),
            (json!({"max_new_tokens": 8}), Some(8)),
            (json!({"max_tokens": -1}), Some(-1)),
        ];
        for (mut body, wanted) in cases {
            body["messages"] = json!([]);
            let request = parse(body.clone()).expect("valid");
            assert_eq!(request.answer.max_tokens.value, wanted, "{body}");
        }
    }

    #[test]
    fn templates_get_what_they_know_of_thinking() {
        let variables = |mut body: Value| {
            body["messages"] = json!([]);
            Value::from(parse(body).expect("valid").variables)
        };
        assert_eq!(
            variables(json!({"reasoning_effort": "low", "chat_template_kwargs": {"a": 1}})),
            json!({"a": 1, "reasoning_effort": "low"})
        );
        assert_eq!(
            variables(json!({"reasoning_effort": "none"})),
            json!({"reasoning_effort": "none", "enable_thinking": false})
        );
        assert_eq!(
            variables(json!({"reasoning_effort": "none", "enable_thinking": true})),
            json!({"reasoning_effort": "none", "enable_thinking": true})
        );
    }
}
