//! One event of an answer: what of OpenAI's stream objects matters for timing.

use serde::Deserialize;
use serde_json::Value;

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A chunk of the answer.
    Chunk(Part),
    /// The end of the stream.
    Done,
    /// An error object; its message.
    Error(String),
}

/// A chunk: text or not, the end or not, counts or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Whether it carries output: text, reasoning or a piece of a tool call.
    pub has_output: bool,
    /// Whether it says why the answer ended.
    pub is_last: bool,
    /// Token counts.
    pub usage: Option<Usage>,
}

/// Token counts as the server gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    #[serde(default)]
    pub completion_tokens: u64,
}

#[derive(Deserialize)]
struct Wire {
    choices: Option<Vec<Choice>>,
    usage: Option<Usage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    text: Option<String>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    tool_calls: Option<Vec<Value>>,
}

impl Choice {
    fn has_output(&self) -> bool {
        let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        given(&self.text)
            || self.delta.as_ref().is_some_and(|delta| {
                given(&delta.content)
                    || given(&delta.reasoning_content)
                    || given(&delta.reasoning)
                    || delta
                        .tool_calls
                        .as_ref()
                        .is_some_and(|calls| !calls.is_empty())
            })
    }
}

/// Reads the data of one event.
///
/// # Errors
/// It is neither `[DONE]` nor an object of this API; says what is wrong.
pub fn read(data: &[u8]) -> Result<Said, String> {
    if data.trim_ascii().starts_with(b"[DONE]") {
        return Ok(Said::Done);
    }
    let wire: Wire = serde_json::from_slice(data).map_err(|error| error.to_string())?;
    if let Some(error) = wire.error {
        return Ok(Said::Error(error_text(&error)));
    }
    let choices = wire.choices.unwrap_or_default();
    Ok(Said::Chunk(Part {
        has_output: choices.iter().any(Choice::has_output),
        is_last: choices.iter().any(|choice| choice.finish_reason.is_some()),
        usage: wire.usage,
    }))
}

/// The message of an error object, or of the body of an error answer.
pub fn error_text(error: &Value) -> String {
    let message = error
        .pointer("/error/message")
        .or_else(|| error.get("message"));
    let text = match message.and_then(Value::as_str).or_else(|| error.as_str()) {
        Some(text) => text.to_owned(),
        None => error.to_string(),
    };
    shortened(&text)
}

/// One line of at most 200 characters.
pub fn shortened(text: &str) -> String {
    let line: String = text
        .chars()
        .take(200)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_of_many_servers() {
        let part = |has_output, is_last| {
            Ok(Said::Chunk(Part {
                has_output,
                is_last,
                usage: None,
            }))
        };
        let counted = Part {
            usage: Some(Usage {
                prompt_tokens: 3,
                completion_tokens: 5,
            }),
            ..Part::default()
        };
        let cases = [
            (
                r#"{"choices":[{"delta":{"role":"assistant","content":null}}]}"#,
                part(false, false),
            ),
            (
                r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
                part(false, false),
            ),
            (
                r#"{"choices":[{"delta":{"content":"a"},"finish_reason":null}],"usage":null}"#,
                part(true, false),
            ),
            (
                r#"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#,
                part(true, false),
            ),
            (
                r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#,
                part(true, false),
            ),
            (r#"{"choices":[{"text":"a","index":0}]}"#, part(true, false)),
            (
                r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#,
                part(false, true),
            ),
            (
                r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"x":1}}"#,
                Ok(Said::Chunk(counted)),
            ),
            (" [DONE] ", Ok(Said::Done)),
            (
                r#"{"error":{"message":"full\nhouse","code":500}}"#,
                Ok(Said::Error("full house".into())),
            ),
            (r#"{"error":"short"}"#, Ok(Said::Error("short".into()))),
        ];
        for (data, expected) in cases {
            assert_eq!(read(data.as_bytes()), expected, "{data}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_said() {
        let deep = "[".repeat(100_000);
        for data in ["", "{", "7", r#"{"choices":3}"#, "\u{0}", &deep] {
            assert!(read(data.as_bytes()).is_err(), "{:.20}", data);
        }
        assert!(
            read(b"{\"choices\":[{\"text\":\"\xff\"}]}").is_err(),
            "not UTF-8"
        );
    }
}
