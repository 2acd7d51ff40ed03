//! Chat templates: any source, any conversation. It renders or is refused in time, whatever it does to
//! the process that renders it, and no message becomes a control token.
//!
//! Parts are separated by the byte 0x1E: the source (or `builtin NAME`), then messages, whose first
//! byte says the role: `s`, `d`, `u`, `a` or `t`. The rest is their text. `p` is a user's message of two
//! parts, of which the text is the second; `c` is an assistant's with a content of null and a tool call,
//! whose arguments are the text.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sysinfer_machine::Runner;
use sysinfer_server::prompt::encode::{ModelPrompt, TemplateSource};
use sysinfer_server::prompt::sandbox::ARGUMENT;
use sysinfer_server::prompt::sandbox::process::Program;
use sysinfer_server::prompt::{Conversation, Message, PromptEncoder, Role, builtin};

use super::target::{SMALL_FLOOR_BYTES, Target, text};
use super::vocabularies::{KINDS, Sample, samples};
use crate::product::binary;

/// See [`Target`].
pub const TARGET: Target = Target {
    name: "template",
    run,
    // A frame's worth of text, read in growing pieces, and the tokens of it.
    largest_floor_bytes: 4 * MAX_TEXT_BYTES + SMALL_FLOOR_BYTES,
    largest_per_input_byte: 16,
    peak_floor_bytes: 64 * MAX_TEXT_BYTES,
    peak_per_input_byte: 1024,
};

/// Longest text that is turned into tokens here; what a template may write is far more.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// Names the server's program, for binaries that do not lie beside it.
const SERVER_VARIABLE: &str = "SYSINFER_FUZZ_SERVER";

const SEPARATOR: u8 = 0x1E;

fn run(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == SEPARATOR).map(text);
    let source = parts.next().unwrap_or_default();
    let conversation = Conversation {
        messages: parts.map(message).collect(),
        ..Conversation::default()
    };
    match source.strip_prefix("builtin ") {
        Some(name) => built_in(name, &conversation),
        None => given(source, &conversation),
    }
}

fn message(part: String) -> Message {
    let mut characters = part.chars();
    let kind = characters.next();
    let text = characters.as_str();
    match kind {
        Some('s') => Message::new(Role::System, text),
        Some('d') => Message::new(Role::Developer, text),
        Some('a') => Message::new(Role::Assistant, text),
        Some('t') => Message::new(Role::Tool, text),
        Some('p') => {
            let part = |text: &str| json!({"type": "text", "text": text});
            let parts = json!([part("first"), part(text)]);
            of_fields(Role::User, &json!({"role": "user", "content": parts}))
        }
        Some('c') => {
            let function = json!({"name": "act", "arguments": text});
            let calls = json!([{"id": "call00001", "type": "function", "function": function}]);
            let fields = json!({"role": "assistant", "content": null, "tool_calls": calls});
            of_fields(Role::Assistant, &fields)
        }
        _ => Message::new(Role::User, text),
    }
}

fn of_fields(role: Role, fields: &Value) -> Message {
    Message::of_fields(role, fields.as_object().cloned().unwrap_or_default())
}

/// The server's own way with a template that is not its own.
fn given(source: String, conversation: &Conversation) {
    let template = TemplateSource::Text {
        source,
        origin: "fuzz.jinja".to_owned(),
    };
    let Sample { tokenizer, .. } = &samples()[0];
    match ModelPrompt::guarded_by(program(), &template, Arc::clone(tokenizer), epoch) {
        Ok(prompt) => match prompt.encode(conversation, usize::MAX) {
            Ok(tokens) => {
                let size = tokenizer.vocabulary_size();
                assert!(tokens.iter().all(|token| (*token as usize) < size));
            }
            Err(error) => assert!(error.to_string().contains("chat template"), "{error}"),
        },
        Err(error) => {
            let message = error.to_string();
            assert!(message.contains("fuzz.jinja"), "{message}");
        }
    }
}

/// The server's program as the rendering process. It has less time than in a server, so that a run
/// that uses all of it twice still takes less than a second.
fn program() -> Program {
    let path = std::env::var_os(SERVER_VARIABLE);
    Program {
        path: path.map_or_else(|| binary("sysinfer-server"), Into::into),
        arguments: vec![ARGUMENT.into()],
        runner: Runner::of_process(),
        start: Duration::from_secs(20),
        deadline: Duration::from_millis(250),
    }
}

/// Whatever messages say, a built-in template writes as many control tokens as for messages that say
/// nothing.
fn built_in(name: &str, conversation: &Conversation) {
    let Some(builtin) = builtin::named(name, &|_| false) else {
        return;
    };
    let mut quiet = conversation.clone();
    for message in &mut quiet.messages {
        *message = Message::new(message.role, "x");
    }
    for sample in &samples()[..KINDS] {
        let tokenizer = Arc::clone(&sample.tokenizer);
        let prompt = ModelPrompt::new(&TemplateSource::Builtin(builtin), tokenizer, epoch);
        let prompt = prompt.expect("our own templates compile");
        let controls = |conversation| {
            let tokens = prompt.encode(conversation, usize::MAX).ok()?;
            let is_control = |token: &&u32| sample.tokenizer.is_control(**token);
            Some(
                tokens
                    .iter()
                    .filter(is_control)
                    .copied()
                    .collect::<Vec<u32>>(),
            )
        };
        // Messages can use up every character that marks places; that is an error of its own.
        if let Some(found) = controls(conversation) {
            assert_eq!(Some(found), controls(&quiet), "{name} {}", sample.name);
        }
    }
}

fn epoch() -> jiff::Timestamp {
    jiff::Timestamp::UNIX_EPOCH
}
