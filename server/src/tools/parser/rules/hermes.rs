//! `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`.

use super::form::{Head, Opening, Rules, Tail, Undecided, closed, find, object};

#[derive(Debug)]
pub(super) struct Hermes;

impl Rules for Hermes {
    fn opening(&self, text: &str, _: bool) -> Opening {
        find(text, "<tool_call>")
    }

    fn head<'t>(&self, text: &'t str) -> Result<Head<'t>, Undecided> {
        object(text)
    }

    fn tail(&self, text: &str) -> Result<Tail, Undecided> {
        closed(text, "</tool_call>")
    }
}
