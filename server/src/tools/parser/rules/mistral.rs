//! `[TOOL_CALLS][{"name": ..., "arguments": {...}}, ...]`, and `[TOOL_CALLS]name[ARGS]{...}` once per call, with
//! `[CALL_ID]id` behind the name in some versions.

use super::form::{Head, Opening, Rules, Tail, Undecided, blank, find, object};

#[derive(Debug)]
pub(super) struct Mistral;

impl Rules for Mistral {
    fn opening(&self, text: &str, _: bool) -> Opening {
        find(text, "[TOOL_CALLS]")
    }

    fn head<'t>(&self, text: &'t str) -> Result<Head<'t>, Undecided> {
        let at = blank(text);
        let rest = &text[at..];
        if let Some(list) = rest.strip_prefix('[') {
            return Ok(match object(list)? {
                Head::Object(more) => Head::Object(at + 1 + more),
                other => other,
            });
        }
        let end = rest.find('{').ok_or(Undecided)?;
        let name = rest[..end].split('[').next().unwrap_or_default();
        Ok(Head::Named(name.trim(), at + end))
    }

    fn tail(&self, text: &str) -> Result<Tail, Undecided> {
        let at = blank(text);
        match text[at..].chars().next() {
            None => Err(Undecided),
            Some(',') => Ok(match object(&text[at + 1..])? {
                Head::Object(more) => Tail::Another(at + 1 + more),
                _ => Tail::Over(0),
            }),
            Some(']') => Ok(Tail::Over(at + 1)),
            Some(_) => Ok(Tail::Over(0)),
        }
    }
}
