//! Which tools a request offers, and what it says about calling them.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::error::ApiError;

/// Most functions of a request, as OpenAI has it.
const MOST_TOOLS: usize = 128;

/// Longest name of a function, bytes.
const LONGEST_NAME: usize = 64;

/// The functions that a request offers, and how they may be called.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// All of them, of which the model is told.
    pub tools: Vec<Tool>,
    /// Whether it calls.
    pub choice: Choice,
    /// Whether an answer may have more than one call.
    pub parallel: bool,
}

/// A function.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Letters, digits, and some signs that mean nothing in any syntax of calls.
    pub name: String,
    /// The schema of its arguments, an object.
    pub parameters: Value,
    /// What was sent, for the chat template.
    pub sent: Value,
    /// Whether it may be called.
    pub allowed: bool,
}

/// Whether the model calls functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// As it likes.
    Auto,
    /// It does, and says nothing else.
    Required,
}

impl Offer {
    /// The functions that may be called, with their places in the request.
    pub fn allowed(&self) -> impl Iterator<Item = (usize, &Tool)> {
        let tools = self.tools.iter().enumerate();
        tools.filter(|(_, tool)| tool.allowed)
    }

    /// Their names.
    pub fn names(&self) -> Arc<[String]> {
        self.allowed().map(|(_, tool)| tool.name.clone()).collect()
    }
}

/// Takes from a body what it offers; nothing, if no function may be called.
///
/// # Errors
/// A 400 that names the field.
pub fn take(body: &mut Map<String, Value>) -> Result<Option<Offer>, ApiError> {
    refuse_old_names(body)?;
    let given = |body: &mut Map<String, Value>, field| {
        body.remove(field).filter(|value: &Value| !value.is_null())
    };
    let parallel = match given(body, "parallel_tool_calls") {
        None => true,
        Some(Value::Bool(parallel)) => parallel,
        Some(_) => return Err(wrong("parallel_tool_calls", "must be true or false")),
    };
    let choice = given(body, "tool_choice");
    let tools = match given(body, "tools") {
        None => Vec::new(),
        Some(Value::Array(tools)) => tools,
        Some(_) => return Err(wrong("tools", "must be a list of functions")),
    };
    // A promise that none is called holds, whatever they are: the model does not get to know of them.
    if choice.as_ref().is_some_and(|choice| choice == "none") {
        return Ok(None);
    }
    if tools.len() > MOST_TOOLS {
        let what = format!(
            "has {} functions; at most {MOST_TOOLS} are allowed",
            tools.len()
        );
        return Err(wrong("tools", &what));
    }
    let tools = tools.into_iter().enumerate();
    let tools: Vec<Tool> = tools
        .map(|(index, tool)| read(index, tool))
        .collect::<Result<_, _>>()?;
    for (index, tool) in tools.iter().enumerate() {
        if tools[..index].iter().any(|other| other.name == tool.name) {
            let field = format!("tools[{index}].function.name");
            let what = format!("is \"{}\", and so is that of another function", tool.name);
            return Err(wrong(&field, &what));
        }
    }
    let mut offer = Offer {
        tools,
        choice: Choice::Auto,
        parallel,
    };
    if let Some(choice) = choice {
        choose(&mut offer, &choice)?;
    }
    Ok((!offer.tools.is_empty()).then_some(offer))
}

/// `functions` is what OpenAI called tools until 2023; its answers have another shape. What asks for nothing is
/// taken out.
fn refuse_old_names(body: &mut Map<String, Value>) -> Result<(), ApiError> {
    let none = |value: &Value| match value {
        Value::Null => true,
        Value::String(choice) => choice == "none" || choice == "auto",
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    let given = |field| body.get(field).filter(|value| !none(value));
    let is_off = body.get("function_call").is_some_and(|how| how == "none");
    for (old, new) in [("functions", "tools"), ("function_call", "tool_choice")] {
        if given(old).is_some() && !(old == "functions" && is_off) {
            let message = format!("{old} is not supported; send its successor, {new}");
            return Err(ApiError::unsupported(old, message));
        }
    }
    body.retain(|field, _| field != "functions" && field != "function_call");
    Ok(())
}

fn read(index: usize, tool: Value) -> Result<Tool, ApiError> {
    let place = format!("tools[{index}]");
    match tool.get("type") {
        None | Some(Value::Null) => {}
        Some(kind) if kind == "function" => {}
        Some(kind) => {
            let field = format!("{place}.type");
            let kind: String = kind.to_string().chars().take(40).collect();
            let message = format!("{field} is {kind}; only \"function\" is supported");
            return Err(ApiError::unsupported(field, message));
        }
    }
    let Some(Value::Object(function)) = tool.get("function") else {
        let what = "must be an object with a name, maybe a description, and parameters";
        return Err(wrong(&format!("{place}.function"), what));
    };
    let name = function.get("name").and_then(Value::as_str);
    let name = name.filter(|name| is_name(name)).ok_or_else(|| {
        let what = format!(
            "must be a text of 1 to {LONGEST_NAME} letters (A to Z), digits, _, -, . and :"
        );
        wrong(&format!("{place}.function.name"), &what)
    })?;
    if let Some(description) = function.get("description")
        && !description.is_string()
        && !description.is_null()
    {
        let field = format!("{place}.function.description");
        return Err(wrong(&field, "must be a text"));
    }
    let field = format!("{place}.function.parameters");
    let parameters = parameters(function.get("parameters"), &field)?;
    Ok(Tool {
        name: name.to_owned(),
        parameters,
        sent: tool,
        allowed: true,
    })
}

/// A schema that only objects have.
fn parameters(sent: Option<&Value>, field: &str) -> Result<Value, ApiError> {
    let mut schema = match sent {
        // Without any, a function takes none.
        None | Some(Value::Null) => {
            return Ok(serde_json::json!({"type": "object", "additionalProperties": false}));
        }
        Some(Value::Object(schema)) => schema.clone(),
        Some(_) => return Err(wrong(field, "must be a JSON schema: an object")),
    };
    let kind = schema.entry("type").or_insert("object".into());
    match kind == "object" {
        true => Ok(schema.into()),
        false => Err(wrong(field, "must have the type object")),
    }
}

fn is_name(name: &str) -> bool {
    let is_of = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_of)
}

/// What `tool_choice` says.
fn choose(offer: &mut Offer, choice: &Value) -> Result<(), ApiError> {
    const FIELD: &str = "tool_choice";
    let wanted = "must be \"none\", \"auto\", \"required\" or {\"type\": \"function\", \"function\": {\"name\": ...}}";
    let mode = |mode: &Value| match mode.as_str() {
        Some("auto") => Some(Choice::Auto),
        Some("required") => Some(Choice::Required),
        _ => None,
    };
    if let Some(choice) = mode(choice) {
        offer.choice = choice;
    } else {
        let named = match choice["type"].as_str() {
            Some("function") => {
                offer.choice = Choice::Required;
                vec![choice["function"]["name"].as_str()]
            }
            Some("allowed_tools") => {
                let allowed = match &choice["allowed_tools"] {
                    Value::Null => choice,
                    inner => inner,
                };
                offer.choice = mode(&allowed["mode"]).ok_or_else(|| {
                    wrong(
                        "tool_choice.allowed_tools.mode",
                        "must be \"auto\" or \"required\"",
                    )
                })?;
                let tools = allowed["tools"].as_array().into_iter().flatten();
                tools
                    .map(|tool| tool["function"]["name"].as_str())
                    .collect()
            }
            _ => return Err(wrong(FIELD, wanted)),
        };
        if named.is_empty() {
            return Err(wrong(FIELD, "allows no function; use \"none\""));
        }
        for name in &named {
            let name = name.ok_or_else(|| wrong(FIELD, wanted))?;
            if !offer.tools.iter().any(|tool| tool.name == name) {
                let name: String = name.chars().take(LONGEST_NAME).collect();
                return Err(wrong(
                    FIELD,
                    &format!("names \"{name}\", which is not in tools"),
                ));
            }
        }
        for tool in &mut offer.tools {
            tool.allowed = named.contains(&Some(&tool.name));
        }
        // One that is named is called, and once.
        offer.parallel &= choice["type"] != "function";
    }
    match offer.choice == Choice::Required && offer.tools.is_empty() {
        true => Err(wrong(FIELD, "asks for a call, but there are no tools")),
        false => Ok(()),
    }
}

fn wrong(field: &str, what: &str) -> ApiError {
    ApiError::invalid_param(field, format!("{field} {what}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn taken(body: Value) -> Result<Option<Offer>, ApiError> {
        take(&mut body.as_object().cloned().unwrap_or_default())
    }

    fn tool(name: &str) -> Value {
        json!({"type": "function", "function": {"name": name, "parameters": {"properties": {}}}})
    }

    #[test]
    fn what_may_be_called_is_what_was_chosen() {
        let tools = json!([tool("a"), tool("b"), tool("c")]);
        let named = |name: &str| json!({"type": "function", "function": {"name": name}});
        let some = json!({"type": "allowed_tools", "allowed_tools": {
            "mode": "required", "tools": [named("a"), named("c")]}});
        let cases = [
            (Value::Null, Choice::Auto, vec!["a", "b", "c"], true),
            (json!("auto"), Choice::Auto, vec!["a", "b", "c"], true),
            (
                json!("required"),
                Choice::Required,
                vec!["a", "b", "c"],
                true,
            ),
            (named("b"), Choice::Required, vec!["b"], false),
            (some, Choice::Required, vec!["a", "c"], true),
        ];
        for (choice, wanted, names, parallel) in cases {
            let body = json!({"tools": tools, "tool_choice": choice});
            let offer = taken(body).expect("valid").expect("offers");
            assert_eq!(offer.choice, wanted, "{choice}");
            assert_eq!(offer.names().to_vec(), names, "{choice}");
            assert_eq!(offer.parallel, parallel, "{choice}");
            assert_eq!(offer.tools.len(), 3, "the model knows of all");
        }
        let body = json!({"tools": tools, "parallel_tool_calls": false});
        assert!(!taken(body).expect("valid").expect("offers").parallel);
    }

    #[test]
    fn arguments_are_objects() {
        let of = |function: Value| {
            let body = json!({"tools": [{"function": function}]});
            let offer = taken(body).expect("valid").expect("offers");
            offer.tools[0].parameters.clone()
        };
        let none = json!({"type": "object", "additionalProperties": false});
        assert_eq!(of(json!({"name": "f"})), none);
        let named = json!({"name": "f", "parameters": {"required": ["x"]}});
        assert_eq!(of(named), json!({"required": ["x"], "type": "object"}));
    }

    #[test]
    fn bodies_that_offer_nothing_get_nothing() {
        for body in [
            json!({}),
            json!({"tools": null, "tool_choice": null, "parallel_tool_calls": null}),
            json!({"tools": [], "tool_choice": "auto"}),
            json!({"tools": [{"type": "function"}], "tool_choice": "none"}),
            json!({"functions": [], "function_call": "auto"}),
            json!({"functions": [{"name": "f"}], "function_call": "none"}),
        ] {
            assert_eq!(taken(body.clone()).expect("valid"), None, "{body}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_name() {
        let with = |choice: Value| json!({"tools": [tool("a")], "tool_choice": choice});
        let function =
            |function: Value| json!({"tools": [{"type": "function", "function": function}]});
        let many: Vec<Value> = (0..129).map(|index| tool(&format!("f{index}"))).collect();
        let cases = [
            (json!({"tools": {}}), "tools"),
            (json!({"tools": many}), "tools"),
            (json!({"tools": [7]}), "tools[0].function"),
            (json!({"tools": [{"type": "custom"}]}), "tools[0].type"),
            (
                json!({"tools": [tool("a"), tool("a")]}),
                "tools[1].function.name",
            ),
            (function(json!({})), "tools[0].function.name"),
            (function(json!({"name": "a b"})), "tools[0].function.name"),
            (
                function(json!({"name": "a".repeat(65)})),
                "tools[0].function.name",
            ),
            (
                function(json!({"name": "a", "description": 1})),
                "tools[0].function.description",
            ),
            (
                function(json!({"name": "a", "parameters": []})),
                "tools[0].function.parameters",
            ),
            (
                function(json!({"name": "a", "parameters": {"type": "string"}})),
                "tools[0].function.parameters",
            ),
            (with(json!("any")), "tool_choice"),
            (with(json!({})), "tool_choice"),
            (
                with(json!({"type": "function", "function": {"name": "b"}})),
                "tool_choice",
            ),
            (
                with(
                    json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}),
                ),
                "tool_choice",
            ),
            (
                with(json!({"type": "allowed_tools", "allowed_tools": {"tools": []}})),
                "tool_choice.allowed_tools.mode",
            ),
            (json!({"tool_choice": "required"}), "tool_choice"),
            (json!({"parallel_tool_calls": 1}), "parallel_tool_calls"),
            (json!({"functions": [{"name": "f"}]}), "functions"),
            (json!({"function_call": {"name": "f"}}), "function_call"),
        ];
        for (body, field) in cases {
            let error = taken(body.clone()).expect_err("refused").body();
            assert_eq!(error["error"]["param"], field, "{body}: {error}");
        }
    }
}
