//! In which form a template expects what clients may send in several.
//!
//! A content can be a text or a list of parts, null, or not there; arguments of a tool call come as JSON
//! in a string, and many templates are written for the object that it says. Transformers hands in
//! what it is given, and its callers know their template. Clients of a server do not, so the template
//! is asked: short conversations are rendered in each form, and what comes out says which one it
//! reads. What a template reads as it was sent stays as it was sent. It is asked when the first
//! message needs it, and once.

use std::sync::OnceLock;

use minijinja::value::{Kwargs, Rest, Serde};
use serde_json::{Value, json};

use super::{Fields, json as python_json};
use crate::prompt::{Message, Role};

/// Renders messages; nothing if the template refuses them.
type Probe<'p> = &'p dyn Fn(Vec<Fields>) -> Option<String>;

/// Two words that no template writes.
const WORDS: [&str; 2] = ["sysinfer1st", "sysinfer2nd"];

/// An id of a call that every template takes: some want nine letters and digits.
const ID: &str = "call00001";

/// An id that those do not take.
const LONG_ID: &str = "call_000000000001";

/// Letters and digits of a short id.
const SHORT_ID: usize = 9;

/// What one template expects, as far as it was asked.
#[derive(Debug, Default)]
pub(super) struct Forms {
    /// Whether the source speaks of `developer`; others get that role's messages as the system's.
    knows_developers: bool,
    /// In the order of [`Role::ALL`].
    contents: [OnceLock<Contents>; Role::ALL.len()],
    calls: OnceLock<Calls>,
}

/// What contents of a role may be; a text, where neither comes out.
#[derive(Clone, Copy, Debug)]
struct Contents {
    as_text: bool,
    as_parts: bool,
}

/// How messages with tool calls should be.
#[derive(Clone, Copy, Debug)]
struct Calls {
    arguments: Arguments,
    /// For a content of null.
    null: Nothing,
    /// For a content that was not sent.
    missing: Nothing,
    /// Ids of other forms than nine letters and digits are refused.
    short_ids: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arguments {
    Text,
    Object,
}

/// What stands for no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nothing {
    Null,
    Missing,
    Empty,
}

impl Nothing {
    const ALL: [Self; 3] = [Self::Null, Self::Missing, Self::Empty];
}

impl Forms {
    /// Nothing is known yet but what the source says.
    pub(super) fn of(source: &str) -> Self {
        Self {
            knows_developers: source.contains("developer"),
            ..Self::default()
        }
    }

    /// The messages in the form that suits the template best, then in those that it may take if it
    /// fails on that.
    pub(super) fn of_messages<'a>(
        &'a self,
        messages: &'a [Message],
        probe: Probe<'a>,
    ) -> impl Iterator<Item = Vec<Fields>> {
        let mut tried: Option<Vec<Fields>> = None;
        let fallbacks = [None, Some(Nothing::Missing), Some(Nothing::Empty)];
        fallbacks.into_iter().filter_map(move |fallback| {
            let formed = messages.iter();
            let formed = formed.map(|one| self.of_message(one, fallback, probe));
            let formed: Vec<Fields> = formed.collect();
            if tried.as_ref() == Some(&formed) {
                return None;
            }
            tried = Some(formed.clone());
            Some(formed)
        })
    }

    fn of_message(&self, message: &Message, fallback: Option<Nothing>, probe: Probe<'_>) -> Fields {
        let mut fields = message.fields.clone();
        fields.insert("role".into(), self.role(message.role).into());
        let content = match fields.get("content") {
            None => Err(fallback.unwrap_or_else(|| self.calls(probe).missing)),
            Some(Value::Null) => Err(fallback.unwrap_or_else(|| self.calls(probe).null)),
            Some(content) => Ok(self.contents(message.role, probe).form(content)),
        };
        match content {
            Ok(content) => drop(fields.insert("content".into(), content)),
            Err(nothing) => set_nothing(&mut fields, nothing),
        }
        if message.has_calls() {
            let form = self.calls(probe).arguments;
            set_arguments(&mut fields, &message.arguments, form);
        }
        let has_ids = message.has_calls() || message.role == Role::Tool;
        if has_ids && self.calls(probe).short_ids {
            set_ids(&mut fields);
        }
        fields
    }

    fn role(&self, role: Role) -> &'static str {
        match role {
            Role::Developer if !self.knows_developers => Role::System.name(),
            role => role.name(),
        }
    }

    fn contents(&self, role: Role, probe: Probe<'_>) -> Contents {
        let place = Role::ALL.iter().position(|one| *one == role);
        let ask = || self.ask_contents(role, probe);
        *self.contents[place.unwrap_or(0)].get_or_init(ask)
    }

    fn calls(&self, probe: Probe<'_>) -> Calls {
        *self.calls.get_or_init(|| ask_calls(probe))
    }

    fn ask_contents(&self, role: Role, probe: Probe<'_>) -> Contents {
        let shown = |content: Value| {
            let message = says(self.role(role), content);
            let messages = match role {
                Role::User => vec![message],
                Role::System | Role::Developer => vec![message, user()],
                Role::Assistant => vec![user(), message, user()],
                Role::Tool => vec![user(), call(self.calls(probe).arguments, ID), message],
            };
            let text = probe(messages)?;
            WORDS.iter().all(|word| text.contains(word)).then_some(text)
        };
        let [first, second] = WORDS.map(|word| json!({"type": "text", "text": word}));
        let parts = shown(json!([first, second]));
        Contents {
            as_text: shown(WORDS.join(" ").into()).is_some(),
            // A list that is printed as what it is was not read.
            as_parts: parts.is_some_and(|text| {
                let [quoted, encoded] = ["'", "\""].map(|quote| format!("{quote}{}", WORDS[0]));
                !text.contains(&quoted) && !text.contains(&encoded)
            }),
        }
    }
}

impl Contents {
    fn form(self, content: &Value) -> Value {
        match content {
            Value::String(text) if !self.as_text && self.as_parts => {
                json!([{"type": "text", "text": text}])
            }
            Value::Array(parts) if !self.as_parts => {
                let texts = parts.iter().filter_map(|part| part["text"].as_str());
                texts.collect::<Vec<_>>().join("\n").into()
            }
            other => other.clone(),
        }
    }
}

/// Tools as they were sent, then, for templates that fail on what was left out, with all that a function may have.
pub(super) fn of_tools(tools: &[Value]) -> Vec<Vec<Value>> {
    let mut filled = tools.to_vec();
    for tool in &mut filled {
        let defaults = [
            ("description", json!("")),
            ("parameters", json!({"type": "object", "properties": {}})),
        ];
        for (name, default) in defaults {
            let Some(function) = tool.get_mut("function").and_then(Value::as_object_mut) else {
                continue;
            };
            let value = function.entry(name).or_insert(Value::Null);
            if value.is_null() {
                *value = default;
            }
        }
        if let Some(fields) = tool.as_object_mut() {
            fields.entry("type").or_insert("function".into());
        }
    }
    match filled == tools {
        true => vec![filled],
        false => vec![tools.to_vec(), filled],
    }
}

fn set_nothing(fields: &mut Fields, nothing: Nothing) {
    match nothing {
        Nothing::Null => drop(fields.insert("content".into(), Value::Null)),
        Nothing::Missing => drop(fields.shift_remove("content")),
        Nothing::Empty => drop(fields.insert("content".into(), "".into())),
    }
}

fn set_arguments(fields: &mut Fields, objects: &[Option<Value>], form: Arguments) {
    let calls = fields.get_mut("tool_calls").and_then(Value::as_array_mut);
    for (call, object) in calls.into_iter().flatten().zip(objects) {
        let Some(arguments) = call.pointer_mut("/function/arguments") else {
            continue;
        };
        match (form, object) {
            (Arguments::Object, Some(object)) => *arguments = object.clone(),
            (Arguments::Text, _) if !arguments.is_string() => *arguments = dumped(arguments),
            _ => {}
        }
    }
}

/// Makes ids short that are not, the same of the same in call and result.
fn set_ids(fields: &mut Fields) {
    for (name, field) in fields.iter_mut() {
        match (name.as_str(), field) {
            ("tool_calls", Value::Array(calls)) => {
                calls
                    .iter_mut()
                    .filter_map(|call| call.get_mut("id"))
                    .for_each(set_id);
            }
            ("tool_call_id", id) => set_id(id),
            _ => {}
        }
    }
}

fn set_id(id: &mut Value) {
    if let Some(long) = id.as_str().filter(|id| !is_short(id)) {
        *id = short(long).into();
    }
}

fn is_short(id: &str) -> bool {
    id.len() == SHORT_ID && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A hash (64-bit FNV-1a) in nine digits of base 36.
fn short(id: &str) -> String {
    let step = |value: u64, byte: u8| (value ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut value = id.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    let mut digit = || {
        let digit = char::from_digit((value % 36) as u32, 36);
        value /= 36;
        digit.unwrap_or('0')
    };
    (0..SHORT_ID).map(|_| digit()).collect()
}

/// A value as Python's JSON.
fn dumped(value: &Value) -> Value {
    let none = Kwargs::from_iter(std::iter::empty::<(&str, minijinja::Value)>());
    let given = minijinja::Value::from(Serde(value));
    let text = python_json::tojson(&given, Rest(Vec::new()), none);
    // What came as JSON can be written as JSON.
    text.map_or_else(|_| value.to_string(), |text| text.to_string())
        .into()
}

fn says(role: &str, content: Value) -> Fields {
    [("role", role.into()), ("content", content)]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}

fn user() -> Fields {
    says("user", "hello".into())
}

/// The result of [`call`].
fn result(id: &str) -> Fields {
    let mut result = says("tool", "done".into());
    result.insert("tool_call_id".into(), id.into());
    result.insert("name".into(), "act".into());
    result
}

/// A message that calls a tool.
fn call(form: Arguments, id: &str) -> Fields {
    let arguments = json!({WORDS[0]: WORDS[1]});
    let arguments = match form {
        Arguments::Object => arguments,
        Arguments::Text => dumped(&arguments),
    };
    let function = json!({"name": "act", "arguments": arguments});
    let calls = json!([{"id": id, "type": "function", "function": function}]);
    let mut call = says("assistant", "".into());
    call.insert("tool_calls".into(), calls);
    call
}

fn ask_calls(probe: Probe<'_>) -> Calls {
    let with_id = |id: &str, form: Arguments, nothing: Nothing| {
        let mut call = call(form, id);
        set_nothing(&mut call, nothing);
        probe(vec![user(), call, result(id)])
    };
    let rendered = |form: Arguments, nothing: Nothing| with_id(ID, form, nothing);
    let [null, missing, empty] = Nothing::ALL;
    // Some templates show a call only where there is no content.
    let expected = [empty, missing, null].iter().find_map(|nothing| {
        let both = [Arguments::Object, Arguments::Text].map(|form| rendered(form, *nothing));
        expected(both[0].as_deref(), both[1].as_deref())
    });
    let arguments = expected.unwrap_or_else(|| {
        let takes = |form| rendered(form, empty).is_some();
        match takes(Arguments::Text) && !takes(Arguments::Object) {
            true => Arguments::Text,
            false => Arguments::Object,
        }
    });
    let texts = Nothing::ALL.map(|nothing| rendered(arguments, nothing));
    // A template that prints what it gets prints `None`.
    let nones = |text: &str| text.matches("None").count();
    let usual = texts[empty as usize].as_deref().map_or(0, nones);
    let shows = |text: &str| text.contains(WORDS[0]);
    let is_shown = texts.iter().flatten().any(|text| shows(text));
    let suits = |nothing: &Nothing| {
        let text = texts[*nothing as usize].as_deref();
        text.is_some_and(|text| nones(text) <= usual && (shows(text) || !is_shown))
    };
    let first = |forms: [Nothing; 3]| forms.into_iter().find(suits).unwrap_or(empty);
    let for_null = first([null, missing, empty]);
    let takes = |id: &str| with_id(id, arguments, for_null).is_some();
    Calls {
        arguments,
        null: for_null,
        missing: first([missing, empty, null]),
        short_ids: takes(ID) && !takes(LONG_ID),
    }
}

/// What arguments should be, by what a template made of `{WORDS[0]: WORDS[1]}` as an object and as text;
/// nothing if it showed neither.
///
/// As text they were read if the JSON stands there as it is, not once more in quotes with escapes. As an
/// object they were read if both words stand there, and not as Python prints a dict. A template that
/// makes the same of both takes what was sent; of two that differ, the object is what it was written
/// for.
fn expected(object: Option<&str>, text: Option<&str>) -> Option<Arguments> {
    let sent = dumped(&json!({WORDS[0]: WORDS[1]}));
    let printed = format!("'{}': '{}'", WORDS[0], WORDS[1]);
    let read_text = text.filter(|made| made.contains(sent.as_str().unwrap_or_default()));
    let read_object = object
        .filter(|made| WORDS.iter().all(|word| made.contains(word)) && !made.contains(&printed));
    match (read_object, read_text) {
        (Some(object), Some(text)) if object == text => Some(Arguments::Text),
        (Some(_), _) => Some(Arguments::Object),
        (None, Some(_)) => Some(Arguments::Text),
        (None, None) => None,
    }
}
