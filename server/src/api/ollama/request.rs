//! Ollama's requests, in the words of OpenAI's: `options` come to the top, and everything else is where that
//! API has it. So one table says what becomes of a field, and one place checks it.

use serde_json::{Map, Value, json};

use crate::api::fields::{On, take_own};
use crate::api::take::Fields;
use crate::error::ApiError;

/// What a request of Ollama's asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// An answer to a conversation: the body of a chat request.
    Chat(Map<String, Value>),
    /// A text continued: the body of a completion request.
    Text(Map<String, Value>),
    /// Nothing but that the model is loaded, which it is.
    Load,
}

/// Reads the body of `/api/chat`.
///
/// # Errors
/// A 400 that names the field.
pub fn chat(mut body: Map<String, Value>) -> Result<Asked, ApiError> {
    let own = take_own(&mut body, On::Ollama)?;
    for name in ["system", "raw"] {
        if own.get(name).is_some_and(asks) {
            let message = format!("{name}: it belongs to /api/generate; send a message");
            return Err(ApiError::unsupported(name, message));
        }
    }
    let messages = match body.get_mut("messages") {
        None | Some(Value::Null) => return Ok(Asked::Load),
        Some(Value::Array(messages)) if messages.is_empty() => return Ok(Asked::Load),
        Some(messages) => messages,
    };
    for (index, message) in messages.as_array_mut().into_iter().flatten().enumerate() {
        let images = message
            .as_object_mut()
            .map(|message| message.remove("images"));
        if images.flatten().is_some_and(|images| asks(&images)) {
            let field = format!("messages[{index}].images");
            let message = format!("{field}: this model reads text only");
            return Err(ApiError::unsupported(field, message));
        }
    }
    think(&own, &mut body)?;
    spread(own, &mut body)?;
    Ok(Asked::Chat(body))
}

/// Reads the body of `/api/generate`.
///
/// # Errors
/// A 400 that names the field.
pub fn generate(mut body: Map<String, Value>) -> Result<Asked, ApiError> {
    let own = take_own(&mut body, On::Ollama)?;
    let mut fields = Fields::new(own.clone());
    let (raw, system) = (fields.flag("raw")?, fields.take::<String>("system")?);
    let system = system.filter(|system| !system.is_empty());
    if body.get("tools").is_some_and(asks) {
        let message = "tools: they are called in conversations; use /api/chat";
        return Err(ApiError::unsupported("tools", message));
    }
    if body.remove("messages").is_some_and(|sent| asks(&sent)) {
        let message = "messages: they are a conversation; use /api/chat";
        return Err(ApiError::unsupported("messages", message));
    }
    if let Some(suffix) = body.remove("suffix").filter(asks) {
        let message = format!("suffix is {suffix}: this server only continues texts; leave it out");
        return Err(ApiError::unsupported("suffix", message));
    }
    let prompt = match body.remove("prompt") {
        None | Some(Value::Null) => return Ok(Asked::Load),
        Some(Value::String(text)) if text.is_empty() => return Ok(Asked::Load),
        Some(Value::String(text)) => text,
        Some(_) => return Err(ApiError::invalid_param("prompt", "prompt must be a string")),
    };
    if raw && system.is_some() {
        let message = "system: with raw, the prompt is all there is; write it into the prompt";
        return Err(ApiError::unsupported("system", message));
    }
    if raw {
        spread(own, &mut body)?;
        body.insert("prompt".into(), prompt.into());
        return Ok(Asked::Text(body));
    }
    think(&own, &mut body)?;
    spread(own, &mut body)?;
    let message = |role: &str, content: String| json!({"role": role, "content": content});
    let system = system.map(|text| message("system", text));
    let messages: Vec<Value> = system
        .into_iter()
        .chain([message("user", prompt)])
        .collect();
    body.insert("messages".into(), messages.into());
    Ok(Asked::Chat(body))
}

/// Puts `options` at the top, and says what holds where nothing is said.
fn spread(mut own: Map<String, Value>, body: &mut Map<String, Value>) -> Result<(), ApiError> {
    match body.get("stream") {
        None | Some(Value::Null) => body.insert("stream".into(), true.into()),
        Some(_) => None,
    };
    let options = match own.remove("options") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(options)) => options,
        Some(_) => {
            return Err(ApiError::invalid_param(
                "options",
                "options must be an object",
            ));
        }
    };
    for (name, value) in options {
        let stands = ["messages", "prompt", "stream", "model"].contains(&name.as_str());
        if stands || body.contains_key(&name) {
            let shown: String = name.chars().take(40).collect();
            let message = format!("options.{shown}: it is no option, or is there twice");
            return Err(ApiError::invalid_param(format!("options.{shown}"), message));
        }
        body.insert(name, value);
    }
    Ok(())
}

/// `think`, as chat templates know it.
fn think(own: &Map<String, Value>, body: &mut Map<String, Value>) -> Result<(), ApiError> {
    match own.get("think") {
        None | Some(Value::Null) => {}
        Some(Value::Bool(think)) => drop(body.insert("enable_thinking".into(), (*think).into())),
        Some(Value::String(effort)) => {
            body.insert("reasoning_effort".into(), effort.clone().into());
        }
        Some(_) => {
            let message = "think must be true, false, or an effort such as \"low\"";
            return Err(ApiError::invalid_param("think", message));
        }
    }
    Ok(())
}

/// Whether a value asks for something.
fn asks(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(read: fn(Map<String, Value>) -> Result<Asked, ApiError>, body: Value) -> Value {
        match read(body.as_object().cloned().unwrap_or_default()) {
            Ok(Asked::Chat(body)) => json!({"chat": body}),
            Ok(Asked::Text(body)) => json!({"text": body}),
            Ok(Asked::Load) => json!("load"),
            Err(error) => error.body()["error"]["param"].clone(),
        }
    }

    #[test]
    fn options_come_to_the_top() {
        let talk = json!([{"role": "user", "content": "a"}]);
        let body = json!({
            "model": "m", "messages": talk, "format": {"type": "object"}, "keep_alive": "5m", "think": false,
            "options": {"num_predict": 5, "temperature": 0.1},
        });
        let wanted = json!({
            "model": "m", "messages": talk, "format": {"type": "object"}, "enable_thinking": false, "stream": true,
            "num_predict": 5, "temperature": 0.1,
        });
        assert_eq!(read(chat, body), json!({"chat": wanted}));
    }

    #[test]
    fn a_prompt_is_a_message_or_is_taken_as_it_is() {
        let talk = json!([{"role": "system", "content": "s"}, {"role": "user", "content": "p"}]);
        assert_eq!(
            read(
                generate,
                json!({"prompt": "p", "system": "s", "stream": false})
            ),
            json!({"chat": {"messages": talk, "stream": false}})
        );
        assert_eq!(
            read(
                generate,
                json!({"prompt": "p", "raw": true, "think": true, "options": {"top_k": 1}})
            ),
            json!({"text": {"prompt": "p", "stream": true, "top_k": 1}})
        );
        assert_eq!(
            read(generate, json!({"model": "m", "keep_alive": 0})),
            json!("load")
        );
        assert_eq!(read(chat, json!({"messages": []})), json!("load"));
    }

    #[test]
    fn what_is_not_done_is_refused_by_its_name() {
        let talk = json!([{"role": "user", "content": "a", "images": ["aGk="]}]);
        let cases = [
            (
                chat as fn(_) -> _,
                json!({"messages": talk}),
                "messages[0].images",
            ),
            (chat, json!({"messages": [{}], "raw": true}), "raw"),
            (generate, json!({"prompt": "a", "tools": [{}]}), "tools"),
            (chat, json!({"messages": [{}], "options": 3}), "options"),
            (chat, json!({"messages": [{}], "think": 3}), "think"),
            (
                chat,
                json!({"messages": [{}], "options": {"stream": 3}}),
                "options.stream",
            ),
            (
                chat,
                json!({"messages": [{}], "top_k": 1, "options": {"top_k": 3}}),
                "options.top_k",
            ),
            (
                generate,
                json!({"prompt": "a", "messages": talk}),
                "messages",
            ),
            (generate, json!({"prompt": "a", "suffix": "b"}), "suffix"),
            (
                generate,
                json!({"prompt": "a", "template": "b"}),
                "template",
            ),
            (generate, json!({"prompt": "a", "context": [1]}), "context"),
            (generate, json!({"prompt": "a", "images": ["b"]}), "images"),
            (
                generate,
                json!({"prompt": "a", "raw": true, "system": "b"}),
                "system",
            ),
            (generate, json!({"prompt": 3}), "prompt"),
        ];
        for (read_as, body, param) in cases {
            assert_eq!(read(read_as, body.clone()), json!(param), "{body}");
        }
    }
}
