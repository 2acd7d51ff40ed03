//! Chat templates against transformers: what public ones make of conversations as clients send them, with tools
//! that are offered and without, prompt by prompt, as `scripts/record_chat_templates.py` has recorded it.
//!
//! The templates (`*.jinja`) are in the source package of llama-cpp-python; `scripts/vocab.sh` fetches
//! them into the folder `templates` beside the vocabularies, whose folder is `SYSINFER_TEST_VOCAB`.
//! Prompts are compared by their hash; the script prints one with `--show TEMPLATE CONVERSATION`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sysinfer_conformance::fixtures::{aloud, fetched_folder};
use sysinfer_conformance::fuzz::vocabularies::samples;
use sysinfer_server::prompt::encode::{ModelPrompt, TemplateSource};
use sysinfer_server::tools::ChatFormat;
use sysinfer_server::validate::{Defaults, check};

/// They iterate over `tools`, which is None without any: Python refuses that and minijinja does not, so
/// that they render here.
const ITERATE_OVER_NONE: [&str; 3] = [
    "CohereForAI-c4ai-command-r-plus-tool_use",
    "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use",
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use",
];

/// It joins what it is given to text that is marked as safe, for which Python writes `&lt;` for `<` and so on, into
/// the descriptions of tools too. Models are better served with these as they are.
const ESCAPES_TOOLS: &str = "meetkai-functionary-medium-v3.1";

#[derive(Deserialize)]
struct Recording {
    recorded_with: String,
    /// Messages by title.
    conversations: Map<String, Value>,
    tools: Value,
    /// Titles of those that are rendered with the tools too.
    with_tools: Vec<String>,
    templates: BTreeMap<String, Recorded>,
}

#[derive(Deserialize)]
struct Recorded {
    /// Hash of the template's bytes.
    source: String,
    /// Hashes of prompts, in the order of the conversations; none where the template refuses.
    prompts: Vec<Option<String>>,
    with_tools: Vec<Option<String>>,
}

/// 64-bit FNV-1a.
fn hash(text: &str) -> String {
    let step = |value: u64, byte: u8| (value ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// What the server makes of messages and tools, or what it says against them.
fn prompt(template: &ModelPrompt, messages: &Value, tools: &Value) -> Result<String, String> {
    let defaults = Defaults {
        temperature: 0.0,
        max_tokens: 1,
    };
    let fields = [("messages", messages), ("tools", tools)];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.clone()));
    let body = Map::from_iter(fields);
    let checked = check(body, defaults, 1000).map_err(|error| error.message().to_owned())?;
    let text = checked.into_prompt(template);
    text.map_err(|error| error.message().to_owned())
}

fn compiled(source: &str, origin: &str) -> Result<ModelPrompt, String> {
    let source = TemplateSource::Text {
        source: source.to_owned(),
        origin: origin.to_owned(),
    };
    let tokenizer = Arc::clone(&samples()[0].tokenizer);
    let epoch = || jiff::Timestamp::UNIX_EPOCH;
    ModelPrompt::new(&source, tokenizer, epoch).map_err(|error| error.to_string())
}

#[test]
fn public_templates_render_as_in_transformers() {
    let test = "public_templates_render_as_in_transformers";
    let Some(folder) = fetched_folder("SYSINFER_TEST_VOCAB", test) else {
        return;
    };
    let folder = folder.join("templates");
    let recording = include_str!("../fixtures/chat_templates.json");
    let recording: Recording = serde_json::from_str(recording).expect("a recording");
    let (mut same, mut refused_there, mut as_text, mut unescaped) = (0, 0, 0, 0);
    let mut wrong = Vec::new();
    for (name, recorded) in &recording.templates {
        let path = folder.join(format!("{name}.jinja"));
        let source = std::fs::read_to_string(&path).expect(name);
        assert_eq!(hash(&source), recorded.source, "{name} is another template");
        let template = compiled(&source, name);
        let made = |messages: &Value, tools: &Value| match &template {
            Ok(template) => prompt(template, messages, tools),
            Err(problem) => Err(problem.clone()),
        };
        for ((title, messages), wanted) in recording.conversations.iter().zip(&recorded.prompts) {
            let made = made(messages, &Value::Null);
            match (&made, wanted) {
                (Ok(text), Some(wanted)) if hash(text) == *wanted => same += 1,
                (Err(_), None) => same += 1,
                (Ok(_), None) if ITERATE_OVER_NONE.contains(&name.as_str()) => refused_there += 1,
                // There they would be left out.
                (Ok(text), None)
                    if !source.contains("tool_calls") && text.contains("<tool_call>") =>
                {
                    as_text += 1;
                }
                (Ok(text), _) => wrong.push(format!("{name}, {title}: {text:?}")),
                (Err(problem), _) => wrong.push(format!("{name}, {title}: {problem}")),
            }
        }
        let is_rendered = ChatFormat::of(&source, &|_| None).syntax.is_rendered();
        for (title, wanted) in recording.with_tools.iter().zip(&recorded.with_tools) {
            let made = made(&recording.conversations[title], &recording.tools);
            match (&made, wanted) {
                (Ok(text), Some(wanted)) if is_rendered && hash(text) == *wanted => same += 1,
                (Err(_), None) => same += 1,
                (Ok(text), Some(_)) if name == ESCAPES_TOOLS && text.contains("a <city>") => {
                    unescaped += 1;
                }
                (Ok(text), _) if !is_rendered && text.contains("these functions:\n{") => {
                    as_text += 1
                }
                (Ok(text), _) => wrong.push(format!("{name}, {title}, tools: {text:?}")),
                (Err(problem), _) => wrong.push(format!("{name}, {title}, tools: {problem}")),
            }
        }
    }
    aloud(&format!(
        "{} templates x {} conversations ({}): {same} prompts as recorded, {refused_there} that Python \
         refuses, {as_text} whose tools are text here, {unescaped} without entities of HTML, {} others",
        recording.templates.len(),
        recording.conversations.len(),
        recording.recorded_with,
        wrong.len()
    ));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        refused_there,
        ITERATE_OVER_NONE.len() * recording.conversations.len()
    );
}

#[test]
fn what_a_template_raises_is_what_the_client_hears() {
    let source = "{% for m in messages %}{% if m.tool_calls and m.content is none %}\
                  {{ raise_exception('no calls without content, ' ~ m.tool_calls[0].id) }}\
                  {% endif %}{% endfor %}{{ raise_exception('nor anything else') }}";
    let template = compiled(source, "test").expect("compiles");
    let call =
        json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let messages = json!([{"role": "assistant", "content": null, "tool_calls": [call]}]);
    let said = prompt(&template, &messages, &Value::Null).expect_err("it raises");
    assert!(said.ends_with("nor anything else"), "{said}");
    let messages = json!([{"role": "user", "content": "x"}]);
    let said = prompt(&template, &messages, &Value::Null).expect_err("it raises");
    assert!(said.ends_with("nor anything else"), "{said}");
}
