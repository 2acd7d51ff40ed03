//! Requests of the Responses API, in the words of a chat. So one table says what becomes of a field, and one place
//! checks it; what that place refuses gets its name back ([`in_its_words`]).

use serde_json::{Map, Value, json};

use super::echo::{Echo, raw};
use super::input;
use crate::api::fields::{On, take_own};
use crate::api::take::Fields;
use crate::error::ApiError;

/// Most texts of `metadata`, longest name and longest text, in characters, as OpenAI has them.
const METADATA: (usize, usize, usize) = (16, 64, 512);

/// What `include` may have; only the first changes an answer.
const INCLUDABLE: [&str; 9] = [
    "message.output_text.logprobs",
    // Thoughts are in the answer as text, and may be sent back so.
    "reasoning.encrypted_content",
    // Of what never is in an answer or not repeated.
    "web_search_call.action.sources",
    "web_search_call.results",
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "message.input_audio.data",
];

/// The body of a chat request that asks for the same, and what the answer repeats of this one.
///
/// # Errors
/// A 400 that names the field.
pub fn read(
    mut body: Map<String, Value>,
    temperature: f32,
) -> Result<(Map<String, Value>, Echo), ApiError> {
    let mut own = Fields::new(take_own(&mut body, On::Responses)?);
    let instructions: Option<String> = own.take("instructions")?;
    let messages = input::messages(instructions.as_deref(), own.take("input")?)?;
    put(&mut body, "messages", messages.into(), "input")?;
    // Nothing is kept, whatever it says, and the answer says so.
    own.take::<bool>("store")?;
    let metadata = metadata(&mut own)?;
    let top_logprobs = logprobs(&mut own, &mut body)?;
    let text = text(&mut own, &mut body)?;
    let reasoning = reasoning(&mut own, &mut body)?;
    stream_options(&mut own)?;
    let (tools, tool_choice) = tools(&mut own, &mut body)?;
    let given = |name: &str, default: Value| match body.get(name) {
        None | Some(Value::Null) => raw(&default),
        Some(value) => raw(value),
    };
    let echo = Echo {
        instructions: raw(&instructions.into()),
        max_output_tokens: given("max_output_tokens", Value::Null),
        metadata: raw(&metadata.into()),
        parallel_tool_calls: given("parallel_tool_calls", true.into()),
        reasoning: raw(&reasoning),
        temperature: given("temperature", shortest(temperature)),
        text: raw(&text),
        tool_choice: raw(&tool_choice),
        tools: raw(&tools.into()),
        top_logprobs: raw(&top_logprobs.into()),
        top_p: given("top_p", 1.0.into()),
    };
    Ok((body, echo.checked()?))
}

/// An error of a chat, with the field that this API has for the same.
pub fn in_its_words(error: ApiError) -> ApiError {
    error.renamed(|name| {
        if let Some(place) = name.strip_prefix("tools[") {
            return Some(format!("tools[{}", place.replacen("].function", "]", 1)));
        }
        let (chat, own) = WORDS.iter().find(|(chat, _)| name.starts_with(chat))?;
        Some(name.replacen(chat, own, 1))
    })
}

/// How fields of a chat begin, and what they are called here.
const WORDS: [(&str, &str); 4] = [
    ("messages", "input"),
    ("response_format.json_schema", "text.format"),
    ("response_format", "text.format"),
    ("tool_choice.allowed_tools", "tool_choice"),
];

/// Says `value` in a chat's words, unless the client has said something else so.
fn put(body: &mut Map<String, Value>, chat: &str, value: Value, own: &str) -> Result<(), ApiError> {
    match body.get(chat) {
        Some(other) if !other.is_null() && *other != value => {
            let message = format!("{chat} and {own} say different things; send {own} alone");
            Err(ApiError::invalid_param(chat, message))
        }
        _ => {
            body.insert(chat.into(), value);
            Ok(())
        }
    }
}

/// A number of few digits, as the server's settings have it.
fn shortest(number: f32) -> Value {
    number.to_string().parse::<f64>().unwrap_or(0.0).into()
}

fn metadata(own: &mut Fields) -> Result<Map<String, Value>, ApiError> {
    let metadata: Map<String, Value> = own.take("metadata")?.unwrap_or_default();
    let (most, longest_name, longest_text) = METADATA;
    let fits = |(name, text): (&String, &Value)| {
        name.chars().count() <= longest_name
            && (text.as_str()).is_some_and(|text| text.chars().count() <= longest_text)
    };
    match metadata.len() <= most && metadata.iter().all(fits) {
        true => Ok(metadata),
        false => {
            let what = format!(
                "must be at most {most} texts of at most {longest_text} characters, with names of at most {longest_name}"
            );
            Err(wrong("metadata", &what))
        }
    }
}

/// Whether logprobs are asked for, and with how many alternatives.
fn logprobs(own: &mut Fields, body: &mut Map<String, Value>) -> Result<i64, ApiError> {
    let include: Vec<String> = own.take("include")?.unwrap_or_default();
    let unknown = include
        .iter()
        .find(|name| !INCLUDABLE.contains(&name.as_str()));
    if let Some(name) = unknown {
        let name: String = name.chars().take(60).collect();
        let what = format!("has \"{name}\"; known are {}", INCLUDABLE.join(", "));
        return Err(wrong("include", &what));
    }
    let top: i64 = own.take("top_logprobs")?.unwrap_or(0);
    if top != 0 || include.iter().any(|name| name == INCLUDABLE[0]) {
        put(body, "logprobs", true.into(), "include")?;
        put(body, "top_logprobs", top.into(), "top_logprobs")?;
    }
    Ok(top)
}

/// The form of the answer, and how much it says.
fn text(own: &mut Fields, body: &mut Map<String, Value>) -> Result<Value, ApiError> {
    let mut text: Map<String, Value> = own.take("text")?.unwrap_or_default();
    if let Some(verbosity) = text.get("verbosity").filter(|value| !value.is_null()) {
        let verbosity = string("text.verbosity", verbosity)?;
        put(body, "verbosity", verbosity.into(), "text.verbosity")?;
    }
    match text.get("format").filter(|value| !value.is_null()) {
        Some(format) => put(body, "response_format", format.clone(), "text.format")?,
        None => drop(text.insert("format".into(), json!({"type": "text"}))),
    }
    Ok(text.into())
}

/// How much is thought. Summaries are not made, and asking for one changes nothing: thoughts come whole.
fn reasoning(own: &mut Fields, body: &mut Map<String, Value>) -> Result<Value, ApiError> {
    let reasoning: Map<String, Value> = own.take("reasoning")?.unwrap_or_default();
    let given = |name: &str| reasoning.get(name).filter(|value| !value.is_null());
    for name in ["summary", "generate_summary"] {
        if let Some(value) = given(name) {
            string(&format!("reasoning.{name}"), value)?;
        }
    }
    for (name, usual) in [("context", "auto"), ("mode", "standard")] {
        if let Some(value) = given(name).filter(|value| *value != usual) {
            let field = format!("reasoning.{name}");
            let value: String = value.to_string().chars().take(40).collect();
            let message = format!(
                "{field} is {value}, which is not supported: the chat template decides; leave it out or set it to \"{usual}\""
            );
            return Err(ApiError::unsupported(field, message));
        }
    }
    let effort = match given("effort") {
        Some(effort) => Some(string("reasoning.effort", effort)?),
        None => None,
    };
    if let Some(effort) = &effort {
        put(
            body,
            "reasoning_effort",
            effort.clone().into(),
            "reasoning.effort",
        )?;
    }
    Ok(json!({"effort": effort, "summary": null}))
}

fn stream_options(own: &mut Fields) -> Result<(), ApiError> {
    let options: Map<String, Value> = own.take("stream_options")?.unwrap_or_default();
    match options.get("include_obfuscation") {
        None | Some(Value::Null | Value::Bool(false)) => Ok(()),
        Some(Value::Bool(true)) => {
            let field = "stream_options.include_obfuscation";
            let message = format!(
                "{field} is not supported: events are as long as what they say; leave it out or set it to false"
            );
            Err(ApiError::unsupported(field, message))
        }
        Some(_) => Err(wrong(
            "stream_options.include_obfuscation",
            "must be true or false",
        )),
    }
}

/// Functions and their choice: as they were sent, and in the body as a chat has them.
fn tools(own: &mut Fields, body: &mut Map<String, Value>) -> Result<(Vec<Value>, Value), ApiError> {
    let tools: Vec<Value> = own.take("tools")?.unwrap_or_default();
    let choice: Value = own.take("tool_choice")?.unwrap_or_else(|| "auto".into());
    let nested = tools.iter().enumerate();
    let nested = nested.map(|(index, tool)| function(&format!("tools[{index}]"), tool));
    let nested: Vec<Value> = nested.collect::<Result<_, _>>()?;
    body.insert("tools".into(), nested.into());
    body.insert("tool_choice".into(), chosen(&choice)?);
    Ok((tools, choice))
}

/// A function, whose fields are beside its type here.
fn function(place: &str, tool: &Value) -> Result<Value, ApiError> {
    let Value::Object(tool) = tool else {
        return Err(wrong(place, "must be an object"));
    };
    of_functions(place, tool.get("type"))?;
    let mut function = tool.clone();
    function.remove("type");
    Ok(json!({"type": "function", "function": function}))
}

/// Refuses what others run for their clients.
fn of_functions(place: &str, kind: Option<&Value>) -> Result<(), ApiError> {
    let field = format!("{place}.type");
    match kind {
        Some(Value::String(kind)) if kind == "function" => Ok(()),
        Some(Value::String(kind)) => {
            let kind: String = kind.chars().take(40).collect();
            let message = format!(
                "{field} is \"{kind}\": this server runs no tools of its own; offer functions"
            );
            Err(ApiError::unsupported(field, message))
        }
        _ => Err(wrong(&field, "must be \"function\"")),
    }
}

fn chosen(choice: &Value) -> Result<Value, ApiError> {
    let Value::Object(fields) = choice else {
        return match choice.as_str() {
            Some("none" | "auto" | "required") => Ok(choice.clone()),
            _ => Err(wrong(
                "tool_choice",
                "must be \"none\", \"auto\", \"required\", {\"type\": \"function\", \"name\": ...} or {\"type\": \"allowed_tools\", ...}",
            )),
        };
    };
    let named = |place: &str, tool: &Value| {
        of_functions(place, tool.get("type"))?;
        let name = string(&format!("{place}.name"), &tool["name"])?;
        Ok(json!({"type": "function", "function": {"name": name}}))
    };
    if fields.get("type") != Some(&"allowed_tools".into()) {
        return named("tool_choice", choice);
    }
    let Some(Value::Array(tools)) = fields.get("tools") else {
        return Err(wrong("tool_choice.tools", "must be a list of functions"));
    };
    let tools = tools.iter().enumerate();
    let tools = tools.map(|(index, tool)| named(&format!("tool_choice.tools[{index}]"), tool));
    let tools = tools.collect::<Result<Vec<_>, ApiError>>()?;
    let allowed = json!({"mode": fields.get("mode"), "tools": tools});
    Ok(json!({"type": "allowed_tools", "allowed_tools": allowed}))
}

fn string(field: &str, value: &Value) -> Result<String, ApiError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        _ => Err(wrong(field, "must be a text")),
    }
}

fn wrong(field: &str, what: &str) -> ApiError {
    ApiError::invalid_param(field, format!("{field} {what}"))
}

#[cfg(test)]
mod tests;
