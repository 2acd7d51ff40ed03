//! The body of a completion.

use serde_json::{Map, Value};

use super::Answer;
use super::prompt::{self, WirePrompt};
use crate::api::take::Fields;
use crate::error::ApiError;

/// A request to continue texts, with types checked and nothing else.
#[derive(Debug)]
pub struct CompletionRequest {
    /// What is continued: at least one.
    pub prompts: Vec<WirePrompt>,
    /// Answer with the prompt in front.
    pub echo: bool,
    /// Begin with the token that begins a text, where the model has one. `None`: as usual.
    pub add_special_tokens: Option<bool>,
    /// How many alternatives to report with the logprob of each token; `None`: neither.
    pub logprobs: Option<i64>,
    /// The answer.
    pub answer: Answer,
}

impl CompletionRequest {
    /// Parses the object of a request body.
    ///
    /// # Errors
    /// A 400 that names the first field of a wrong type, or `prompt` when absent.
    pub fn from_object(object: Map<String, Value>) -> Result<Self, ApiError> {
        let mut fields = Fields::new(object);
        Ok(Self {
            prompts: prompts(&mut fields)?,
            echo: fields.flag("echo")?,
            add_special_tokens: fields.take("add_special_tokens")?,
            logprobs: fields.take("logprobs")?,
            answer: Answer::take(&mut fields)?,
        })
    }
}

fn prompts(fields: &mut Fields) -> Result<Vec<WirePrompt>, ApiError> {
    let prompts = prompt::take(fields, "prompt")?.ok_or_else(|| {
        let message = "prompt is missing; send a text or token ids";
        ApiError::invalid_param("prompt", message)
    })?;
    match prompts.is_empty() {
        true => Err(prompt::wrong("prompt")),
        false => Ok(prompts),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_prompt_is_text_or_tokens_one_or_many() {
        let prompts = |prompt: Value| {
            let body = json!({"prompt": prompt}).as_object().cloned();
            CompletionRequest::from_object(body.unwrap_or_default()).map(|request| request.prompts)
        };
        let text = |text: &str| WirePrompt::Text(text.into());
        let tokens = |tokens: &[u32]| WirePrompt::Tokens(tokens.into());
        let cases = [
            (json!("a"), vec![text("a")]),
            (json!(["a", "b"]), vec![text("a"), text("b")]),
            (json!([1, 2]), vec![tokens(&[1, 2])]),
            (json!([[1], [2, 3]]), vec![tokens(&[1]), tokens(&[2, 3])]),
        ];
        for (sent, wanted) in cases {
            assert_eq!(prompts(sent.clone()).expect("valid"), wanted, "{sent}");
        }
        for sent in [
            json!(null),
            json!([]),
            json!(3),
            json!(["a", 1]),
            json!([-1]),
        ] {
            let error = prompts(sent.clone()).expect_err("refused").body();
            assert_eq!(error["error"]["param"], "prompt", "{sent}");
        }
    }
}
