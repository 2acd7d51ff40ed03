//! `{"name": ..., "parameters": {...}}` as the whole answer, or behind `<|python_tag|>`; several with `;` between.

use super::form::{Head, Opening, Rules, Tail, Undecided, blank, find, object};

#[derive(Debug)]
pub(super) struct Llama3;

impl Rules for Llama3 {
    fn opening(&self, text: &str, at_start: bool) -> Opening {
        if at_start {
            let at = blank(text);
            match text[at..].chars().next() {
                None => return Opening::None(0),
                Some('{') => return Opening::At(at, at),
                Some(_) => {}
            }
        }
        find(text, "<|python_tag|>")
    }

    fn head<'t>(&self, text: &'t str) -> Result<Head<'t>, Undecided> {
        object(text)
    }

    fn tail(&self, text: &str) -> Result<Tail, Undecided> {
        let at = blank(text);
        match text[at..].chars().next() {
            None => return Err(Undecided),
            Some(';') => {}
            Some(_) => return Ok(Tail::Over(0)),
        }
        match object(&text[at + 1..])? {
            Head::Object(more) => Ok(Tail::Another(at + 1 + more)),
            _ => Ok(Tail::Over(0)),
        }
    }
}
