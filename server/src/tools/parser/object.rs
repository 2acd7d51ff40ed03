//! The head of a call that is an object: `{"name": ..., "arguments": {`.

use serde_json::{Map, Value};

use super::rules::Undecided;

/// Longest head, bytes: a name and white space. One that goes on is looked at when the object is whole.
const LONGEST_HEAD: usize = 512;

/// What an object that has begun turns out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// A call: its function, and where its arguments begin, with their bracket.
    Call(String, usize),
    /// A call maybe, in another order or form: to be seen when it is whole.
    Whole,
    /// No call.
    Other,
}

/// Looks at the beginning of an object.
///
/// # Errors
/// More text is needed.
pub(super) fn head(text: &str, names: &[String]) -> Result<Head, Undecided> {
    match read(text, names) {
        Err(Undecided) if text.len() > LONGEST_HEAD => Ok(Head::Whole),
        found => found,
    }
}

fn read(text: &str, names: &[String]) -> Result<Head, Undecided> {
    let mut cursor = Cursor { text, at: 0 };
    if !cursor.takes('{')? {
        return Ok(Head::Other);
    }
    loop {
        let Some(key) = cursor.string()? else {
            return Ok(Head::Other);
        };
        match key.as_str() {
            "name" => break,
            // Before the name there may be what says that this is a call.
            "type" | "id" => {
                let is_text = cursor.takes(':')? && cursor.string()?.is_some();
                if !is_text || !cursor.takes(',')? {
                    return Ok(Head::Whole);
                }
            }
            "arguments" | "parameters" => return Ok(Head::Whole),
            _ => return Ok(Head::Other),
        }
    }
    if !cursor.takes(':')? {
        return Ok(Head::Other);
    }
    let name = match cursor.string()? {
        Some(name) if names.contains(&name) => name,
        _ => return Ok(Head::Other),
    };
    let goes_on = cursor.takes(',')?
        && matches!(
            cursor.string()?.as_deref(),
            Some("arguments" | "parameters")
        )
        && cursor.takes(':')?
        && cursor.next()? == '{';
    Ok(match goes_on {
        true => Head::Call(name, cursor.at),
        false => Head::Whole,
    })
}

/// A whole object as a call: function and arguments.
pub(super) fn call(text: &str, names: &[String]) -> Option<(String, String)> {
    let mut object: Map<String, Value> = serde_json::from_str(text).ok()?;
    let name = object.remove("name")?;
    let name = names.iter().find(|known| name == known.as_str())?.clone();
    let sent = object.remove("arguments");
    let arguments = match sent.or_else(|| object.remove("parameters")) {
        // Some models leave out what is empty, and some write JSON into a string.
        None | Some(Value::Null) => "{}".to_owned(),
        Some(Value::Object(arguments)) => Value::from(arguments).to_string(),
        Some(Value::String(text)) => {
            serde_json::from_str::<Map<String, Value>>(&text).ok()?;
            text
        }
        Some(_) => return None,
    };
    Some((name, arguments))
}

/// A place in JSON, white space skipped.
struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl Cursor<'_> {
    fn next(&mut self) -> Result<char, Undecided> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next().ok_or(Undecided)
    }

    fn takes(&mut self, wanted: char) -> Result<bool, Undecided> {
        let is_there = self.next()? == wanted;
        self.at += usize::from(is_there);
        Ok(is_there)
    }

    fn string(&mut self) -> Result<Option<String>, Undecided> {
        if self.next()? != '"' {
            return Ok(None);
        }
        let rest = &self.text[self.at..];
        let mut escaped = false;
        let end = rest.bytes().skip(1).position(|byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        });
        let length = end.ok_or(Undecided)? + 2;
        self.at += length;
        Ok(serde_json::from_str(&rest[..length]).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        vec!["f".into(), "get_weather".into()]
    }

    #[test]
    fn a_head_is_known_as_soon_as_it_can_be() {
        let call = |name: &str, at| Ok(Head::Call(name.into(), at));
        let cases = [
            (r#"{"name": "f", "arguments": {"#, call("f", 27)),
            ("{ \"name\" :\n\"f\",\"parameters\":{", call("f", 28)),
            (
                r#"{"type": "function", "name": "get_weather", "parameters": {"#,
                call("get_weather", 58),
            ),
            (r#"{"name": "f", "arguments": "#, Err(Undecided)),
            (r#"{"name": "f"#, Err(Undecided)),
            (r#"{"name": "f", "arguments": ""#, Ok(Head::Whole)),
            (r#"{"name": "f"}"#, Ok(Head::Whole)),
            (r#"{"arguments""#, Ok(Head::Whole)),
            (r#"{"name": "g""#, Ok(Head::Other)),
            (r#"{"name": 3"#, Ok(Head::Other)),
            (r#"{"a""#, Ok(Head::Other)),
            ("{}", Ok(Head::Other)),
            ("[", Ok(Head::Other)),
        ];
        for (text, wanted) in cases {
            assert_eq!(head(text, &names()), wanted, "{text}");
        }
        let long = format!("{{{}", " ".repeat(LONGEST_HEAD));
        assert_eq!(head(&long, &names()), Ok(Head::Whole));
    }

    #[test]
    fn a_whole_object_is_a_call_in_any_order() {
        let cases = [
            (
                r#"{"arguments": {"b": 1, "a": 2}, "name": "f"}"#,
                Some(r#"{"b":1,"a":2}"#),
            ),
            (r#"{"name": "f"}"#, Some("{}")),
            (r#"{"name": "f", "arguments": null}"#, Some("{}")),
            (
                r#"{"name": "f", "arguments": "{\"a\": 1}"}"#,
                Some(r#"{"a": 1}"#),
            ),
            (r#"{"name": "f", "arguments": "a"}"#, None),
            (r#"{"name": "f", "arguments": [1]}"#, None),
            (r#"{"name": "g"}"#, None),
            (r#"{"name": "f",}"#, None),
        ];
        for (text, wanted) in cases {
            let found = call(text, &names()).map(|(_, arguments)| arguments);
            assert_eq!(found.as_deref(), wanted, "{text}");
        }
    }
}
