//! Compiling forms for a model's vocabulary.

use std::sync::Arc;

use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};
use sysinfer_engine::Tokenizer;

use super::asked::{Asked, Form};
use super::follow::Follow;
use super::{calendar, gbnf, levels};
use crate::error::ApiError;

/// Longest text of a regular expression or grammar.
const MOST_TEXT_BYTES: usize = 64 << 10;

/// Deepest nesting in one: what reads them calls itself for every level.
const MOST_NESTED: usize = 100;

/// States of a lexer, 1 to 2 kB each, that an answer may come to: some 50 MB.
const MOST_LEXER_STATES: usize = 25_000;

/// White space between the parts of JSON where nothing is said: a line break and indentation, or a space. A model
/// that may go on with white space for ever sometimes does.
const WHITE_SPACE: &str = r"( |\n[ \t]{0,20})?";

/// A vocabulary, prepared for forms.
pub struct Grammars {
    factory: ParserFactory,
}

/// Why there are no constrained answers at all.
#[derive(Debug, thiserror::Error)]
#[error("the vocabulary cannot be used for constrained answers: {0}")]
pub struct Unusable(String);

impl Grammars {
    /// For a tokenizer whose model has `vocabulary_size` rows; `end` is a token that ends answers.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn new(
        tokenizer: &Tokenizer,
        vocabulary_size: usize,
        end: Option<u32>,
    ) -> Result<Grammars, Unusable> {
        let known = tokenizer.vocabulary_size().min(vocabulary_size);
        let word = |token: u32| {
            let hidden = tokenizer.is_control(token) || tokenizer.is_hidden(token);
            match tokenizer.piece(token) {
                [] => special(tokenizer, token),
                _ if hidden => special(tokenizer, token),
                piece => piece.to_vec(),
            }
        };
        let mut words: Vec<Vec<u8>> = (0..known as u32).map(word).collect();
        words.resize(vocabulary_size, Vec::new());
        let end = end.ok_or_else(|| Unusable("it has no token that ends an answer".into()))?;
        Self::of_words(&words, end)
    }

    pub(super) fn of_words(words: &[Vec<u8>], end: u32) -> Result<Grammars, Unusable> {
        let count = u32::try_from(words.len()).map_err(|error| Unusable(error.to_string()))?;
        let trie = TokTrie::from(&TokRxInfo::new(count, end), words);
        // Tokens are never put in unasked, so how text is cut into tokens need not be known.
        let vocabulary: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let factory = ParserFactory::new_simple(&vocabulary);
        let mut factory = factory.map_err(|error| Unusable(error.to_string()))?;
        factory.quiet();
        let limits = factory.limits_mut();
        limits.max_lexer_states = MOST_LEXER_STATES;
        limits.verbose_errors = false;
        Ok(Grammars { factory })
    }

    /// What follows an answer of the form. Takes milliseconds, and bounded memory, for the largest.
    ///
    /// # Errors
    /// A 400 that names the field, and what is wrong: no such form, or too large.
    pub fn compile(&self, asked: &Asked) -> Result<Follow, ApiError> {
        let follow = self.follow(vec![grammar(asked)?]);
        follow.map_err(|why| wrong(&asked.field, &why))
    }

    /// What follows an answer of the first of these grammars, which may name the others.
    pub(super) fn follow(&self, grammars: Vec<GrammarWithLexer>) -> Result<Follow, String> {
        let grammar = TopLevelGrammar {
            grammars,
            max_tokens: None,
        };
        let compiled = || {
            let mut matcher = Matcher::new(self.factory.create_parser(grammar));
            // Nothing that may follow is found here and not in the middle of an answer.
            if !matcher.is_error() {
                let _ = matcher.compute_mask();
            }
            matcher
        };
        // Calls as deep as a schema may be do not fit the stack of every thread.
        let matcher = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .name("sysinfer-form".into())
                .stack_size(levels::STACK_BYTES)
                .spawn_scoped(scope, compiled)
                .map_err(|error| format!("there is no thread to compile it: {error}"))?;
            let compiled = thread.join();
            compiled.map_err(|_| "it cannot be compiled".to_owned())
        })?;
        match matcher.get_error() {
            None => Ok(Follow::new(matcher)),
            Some(error) => Err(told(error.trim())),
        }
    }
}

/// The grammar of a form.
pub(super) fn grammar(asked: &Asked) -> Result<GrammarWithLexer, ApiError> {
    let wrong = |why: &str| wrong(&asked.field, why);
    Ok(match &asked.form {
        Form::Schema(schema) => {
            let schema = prepared(schema, asked.white_space.as_deref());
            GrammarWithLexer::from_json_schema(schema.map_err(wrong)?)
        }
        Form::Regex(pattern) => {
            bounded(pattern).map_err(|why| wrong(&why))?;
            GrammarWithLexer::from_regex(pattern)
        }
        Form::Choice(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| json!(text).to_string()).collect();
            GrammarWithLexer::from_lark(format!("start: {}", texts.join(" | ")))
        }
        Form::Grammar(text) => {
            bounded(text).map_err(|why| wrong(&why))?;
            let lark = match gbnf::is_gbnf(text) {
                true => gbnf::to_lark(text).map_err(|error| wrong(&error.to_string()))?,
                false => text.clone(),
            };
            GrammarWithLexer::from_lark(lark)
        }
    })
}

pub(super) fn wrong(field: &str, why: &str) -> ApiError {
    ApiError::invalid_param(field, format!("{field}: {why}"))
}

/// What llguidance found, in words for who sent the schema.
fn told(error: &str) -> String {
    match error.split_once(" is not present in a registry") {
        // Resource 'http://...'
        Some((resource, _)) => format!(
            "a $ref or $schema leads to another document, which is not fetched; write what it says into this one \
             ({resource})"
        ),
        None => error.to_owned(),
    }
}

/// A token that is none of text, as llguidance marks it.
fn special(tokenizer: &Tokenizer, token: u32) -> Vec<u8> {
    let name = tokenizer.token_text(token);
    [&[TokTrie::SPECIAL_TOKEN_MARKER], name.as_bytes()].concat()
}

/// A schema that is not too deep, held to the calendar, which says how its parts are separated.
pub(super) fn prepared(schema: &Value, white_space: Option<&str>) -> Result<Value, &'static str> {
    const OPTIONS: &str = "x-guidance";
    levels::check(schema)?;
    let mut fields = match schema {
        Value::Object(fields) => fields.clone(),
        Value::Bool(false) => return Err("the schema is false, which no answer can be"),
        _ => Default::default(),
    };
    if fields.contains_key(OPTIONS) {
        return Err("x-guidance is not supported");
    }
    calendar::hold_to(&mut fields);
    let pattern = white_space.unwrap_or(WHITE_SPACE);
    let options = match pattern {
        "" => json!({"whitespace_flexible": false}),
        pattern => json!({"whitespace_pattern": pattern}),
    };
    fields.insert(OPTIONS.into(), options);
    Ok(Value::Object(fields))
}

/// Refuses what is too long or too deep.
fn bounded(text: &str) -> Result<(), String> {
    if text.len() > MOST_TEXT_BYTES {
        return Err(format!(
            "it has {} bytes; at most {MOST_TEXT_BYTES} are allowed",
            text.len()
        ));
    }
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    match deepest > MOST_NESTED {
        true => Err(format!("brackets are nested deeper than {MOST_NESTED}")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
