//! How text is cut into words before byte-level BPE merges inside each word.
//!
//! A GGUF file only names its way (`tokenizer.ggml.pre`); the regular expressions belong to the
//! models' own `tokenizer.json` files, and the names and their extra rules to llama.cpp's
//! `llama-vocab.cpp`. A way (`ways`) is a list of steps: each step cuts the pieces of the step before
//! into its matches and what lies between them. `choice` finds the way of a file.
//!
//! The original expressions end in `\s+(?!\S)|\s+`: a run of spaces before a word leaves its last
//! space to the word. Here the expression is `\s+` and the last space is given back after the match
//! ([`Spaces`]), because look-ahead needs a backtracking engine, which gives up on a long run of
//! spaces; without it the `regex` automata run, in linear time.

mod choice;
mod spaces;
mod ways;

use std::ops::ControlFlow;

use regex::Regex;

#[cfg(test)]
pub(super) use ways::UNSUPPORTED;
pub(super) use ways::Way;

use spaces::Spaces;

/// One compiled step.
#[derive(Debug)]
struct Step {
    expression: Regex,
    spaces: Spaces,
}

/// A way of cutting text into words, ready for use.
#[derive(Debug)]
pub(super) struct PreTokenizer {
    steps: Vec<Step>,
}

impl PreTokenizer {
    /// Compiles the expressions of a way, which takes milliseconds.
    pub(super) fn compile(way: &Way) -> Self {
        let compile = |&(expression, spaces): &(&str, Spaces)| Step {
            expression: Regex::new(expression)
                .expect("expressions of WAYS are constants, all compiled by a test"),
            spaces,
        };
        Self {
            steps: way.steps.iter().map(compile).collect(),
        }
    }

    /// Hands the words of `text` to `each`, in order, until it breaks off; together they are the whole
    /// text.
    pub(super) fn split<'t>(
        &self,
        text: &'t str,
        each: &mut impl FnMut(&'t str) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        split(text, &self.steps, each)
    }
}

/// Cuts `text` by the first step and its pieces by the others.
fn split<'t>(
    text: &'t str,
    steps: &[Step],
    each: &mut impl FnMut(&'t str) -> ControlFlow<()>,
) -> ControlFlow<()> {
    if text.is_empty() {
        return ControlFlow::Continue(());
    }
    let Some((step, others)) = steps.split_first() else {
        return each(text);
    };
    let mut rest = text;
    while let Some(found) = step.expression.find(rest) {
        let start = found.start();
        let end = start + step.spaces.kept(found.as_str(), &rest[found.end()..]);
        split(&rest[..start], others, each)?;
        split(&rest[start..end], others, each)?;
        rest = &rest[end..];
    }
    split(rest, others, each)
}

#[cfg(test)]
mod tests;
