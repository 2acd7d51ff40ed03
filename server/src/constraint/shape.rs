//! The whole of an answer: thoughts first, then calls of tools, or what a form describes.

use llguidance::api::GrammarWithLexer;

use super::asked::{Asked, Form};
use super::follow::Follow;
use super::grammars::{Grammars, grammar, prepared, wrong};
use crate::error::ApiError;
use crate::tools::format::{ChatFormat, THINK, THINK_END};
use crate::tools::{Offer, grammar as calls};

/// What an answer is to be.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// How the model writes.
    pub format: &'a ChatFormat,
    /// Whether the prompt ends in an open block of thoughts.
    pub opened: bool,
    /// The form of what it says.
    pub form: Option<&'a Asked>,
    /// What it may call.
    pub offer: Option<&'a Offer>,
}

/// The name of a form beside the grammar that has it in it.
const FORM: &str = "form";

impl Grammars {
    /// What follows an answer of this shape; nothing, if it may be any text.
    ///
    /// # Errors
    /// As [`Grammars::compile`]; of a function, `tools[i].function.parameters` is named.
    pub fn shaped(&self, shape: Shape<'_>) -> Result<Option<Follow>, ApiError> {
        let Shape {
            format,
            opened,
            form,
            offer,
        } = shape;
        let (thoughts, before) = match format.thinks {
            true => ("thoughts", thoughts(format, opened)),
            false => ("", calls::TEXT.to_owned()),
        };
        let Some(offer) = offer else {
            let says = calls::says(format.syntax);
            return match form {
                None => Ok(None),
                Some(form) if thoughts.is_empty() && says.is_empty() => {
                    self.compile(form).map(Some)
                }
                Some(form) => {
                    let lark = format!("start: {thoughts} {says} @{FORM}\n{before}");
                    let grammars = vec![GrammarWithLexer::from_lark(lark), named(form)?];
                    let follow = self.follow(grammars);
                    follow.map(Some).map_err(|why| wrong(&form.field, &why))
                }
            };
        };
        let mut tools = Vec::new();
        for (index, tool) in offer.allowed() {
            let schema = prepared(&tool.parameters, None);
            let schema = schema.map_err(|why| wrong(&parameters(index), why))?;
            tools.push((tool.name.as_str(), schema));
        }
        let asked = calls::Asked {
            tools: &tools,
            choice: offer.choice,
            parallel: offer.parallel,
            otherwise: form.map(|_| FORM),
        };
        let calls = calls::rules(format, asked);
        let lark = format!("start: {thoughts} answer\n{before}{calls}");
        let mut grammars = vec![GrammarWithLexer::from_lark(lark)];
        grammars.extend(form.map(named).transpose()?);
        match self.follow(grammars) {
            Ok(follow) => Ok(Some(follow)),
            Err(why) => Err(self.culprit(offer, form, &why)),
        }
    }

    /// Which part of an answer it is that cannot be followed.
    fn culprit(&self, offer: &Offer, form: Option<&Asked>, why: &str) -> ApiError {
        let schemas = offer.allowed().map(|(index, tool)| Asked {
            field: parameters(index),
            form: Form::Schema(tool.parameters.clone()),
            white_space: None,
        });
        let mut parts = schemas.chain(form.cloned());
        let found = parts.find_map(|part| self.compile(&part).err());
        found.unwrap_or_else(|| wrong("tools", why))
    }
}

fn parameters(index: usize) -> String {
    format!("tools[{index}].function.parameters")
}

fn named(form: &Asked) -> Result<GrammarWithLexer, ApiError> {
    let mut grammar = grammar(form)?;
    grammar.name = Some(FORM.into());
    Ok(grammar)
}

/// The rule `thoughts`: a block of them, which may be left out where the prompt has not opened it.
fn thoughts(format: &ChatFormat, opened: bool) -> String {
    let begins = match format.special(THINK) {
        Some(id) => format!("begins: /\\s+/? <[{id}]>"),
        None => format!("begins[lazy]: /\\s*{THINK}/"),
    };
    let ends = match format.special(THINK_END) {
        Some(id) => format!("ends: SOME? <[{id}]>"),
        None => format!("ends[lazy]: TEXT \"{THINK_END}\""),
    };
    let block = match opened {
        true => "ends /\\s{1,4}/?",
        false => "(begins ends /\\s{1,4}/?)?",
    };
    format!("thoughts: {block}\n{begins}\n{ends}\n{}", calls::TEXT)
}

#[cfg(test)]
mod tests;
