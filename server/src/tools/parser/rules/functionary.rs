//! `<function=name>{...}</function>` (3.1); `>>>name`, a line break and arguments (3.2), where the prompt has the
//! first `>>>` already and the name `all` is that of the text.

use super::form::{Head, Opening, Rules, Tail, Undecided, blank, closed, find};

#[derive(Debug)]
pub(super) struct V31;

#[derive(Debug)]
pub(super) struct V32;

impl Rules for V31 {
    fn opening(&self, text: &str, _: bool) -> Opening {
        find(text, "<function=")
    }

    fn head<'t>(&self, text: &'t str) -> Result<Head<'t>, Undecided> {
        named(text, '>')
    }

    fn tail(&self, text: &str) -> Result<Tail, Undecided> {
        closed(text, "</function>")
    }
}

impl Rules for V32 {
    fn opening(&self, text: &str, at_start: bool) -> Opening {
        match at_start {
            true => Opening::At(0, 0),
            false => find(text, ">>>"),
        }
    }

    fn head<'t>(&self, text: &'t str) -> Result<Head<'t>, Undecided> {
        if text.starts_with("all\n") {
            Ok(Head::Text("all\n".len()))
        } else {
            named(text, '\n')
        }
    }

    fn tail(&self, _: &str) -> Result<Tail, Undecided> {
        Ok(Tail::Over(0))
    }
}

/// A name up to a sign, then arguments.
fn named(text: &str, sign: char) -> Result<Head<'_>, Undecided> {
    let end = text.find(sign).ok_or(Undecided)?;
    let after = end + sign.len_utf8();
    let at = after + blank(&text[after..]);
    match text[at..].chars().next() {
        None => Err(Undecided),
        Some('{') => Ok(Head::Named(&text[..end], at)),
        Some(_) => Ok(Head::Other),
    }
}
