//! Reading an answer: its thoughts, its text and its calls of tools, from text that comes piece by piece.
//!
//! Thoughts come first and are nothing else; tools are called in what follows them. Both, and neither, are the
//! same path: an answer without any is passed on as it is.

use std::sync::Arc;

use uuid::Uuid;

use crate::scheduler::FinishReason;
use crate::thinking::{Part, Thinking};
use crate::tools::format::{ChatFormat, Syntax};
use crate::tools::parser::{CallParser, Said};

/// How the answers to one request are read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Whether there may be thoughts, and whether the prompt has opened them.
    thoughts: Option<bool>,
    calls: Option<CallParser>,
    short_ids: bool,
}

/// Reads one answer.
#[derive(Debug)]
pub struct Reader {
    thinking: Option<Thinking>,
    calls: Option<CallParser>,
    short_ids: bool,
    begun: usize,
    whole: usize,
}

/// What an answer adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// To the thoughts.
    Thought(String),
    /// To the text.
    Text(String),
    /// A call.
    Call {
        /// Its number, from 0.
        index: usize,
        /// Names it in the conversation.
        id: String,
        /// Its function.
        name: String,
    },
    /// To the arguments of a call.
    Arguments {
        /// The call's number.
        index: usize,
        /// Part of a JSON text.
        text: String,
    },
    /// The last call is none, and this is what was written.
    Broken(String),
}

impl Reading {
    /// For a model that writes in `format`, whose prompt ended in an open block of thoughts if `opened`; for calls
    /// of functions of these names, if there are any.
    pub fn new(format: &ChatFormat, opened: bool, names: Arc<[String]>) -> Self {
        // Functionary 3.2 says before every text that it is one, tools or none.
        let calls = !names.is_empty() || format.syntax == Syntax::Functionary32;
        Self {
            thoughts: format.thinks.then_some(opened),
            calls: calls.then(|| CallParser::new(format, names)),
            short_ids: format.syntax.has_short_ids(),
        }
    }

    /// Begins with an answer.
    pub fn reader(&self) -> Reader {
        Reader {
            thinking: self.thoughts.map(Thinking::new),
            calls: self.calls.clone(),
            short_ids: self.short_ids,
            begun: 0,
            whole: 0,
        }
    }
}

impl Reader {
    /// Takes text and returns what is certain now.
    pub fn push(&mut self, text: String) -> Vec<Piece> {
        let Some(thinking) = &mut self.thinking else {
            return self.answer(text);
        };
        let mut parts = Vec::new();
        thinking.push(&text, &mut parts);
        parts.into_iter().flat_map(|part| self.part(part)).collect()
    }

    /// Whether the model is thinking.
    pub fn thinks(&self) -> bool {
        self.thinking.as_ref().is_some_and(Thinking::is_open)
    }

    /// Ends the text: returns what was held.
    pub fn finish(&mut self) -> Vec<Piece> {
        let mut parts = Vec::new();
        if let Some(thinking) = &mut self.thinking {
            thinking.finish(&mut parts);
        }
        let mut pieces: Vec<Piece> = parts.into_iter().flat_map(|part| self.part(part)).collect();
        if let Some(calls) = &mut self.calls {
            let mut said = Vec::new();
            calls.finish(&mut said);
            pieces.extend(said.into_iter().filter_map(|said| self.piece(said)));
        }
        pieces
    }

    /// Why the answer ended, as the API says it: for the calls that it makes, if it ended by itself and all are
    /// whole.
    pub fn finish_reason(&self, engine: FinishReason) -> &'static str {
        let calls = self.begun > 0 && self.begun == self.whole;
        match calls && engine == FinishReason::Stop {
            true => "tool_calls",
            false => engine.name(),
        }
    }

    fn part(&mut self, part: Part) -> Vec<Piece> {
        match part {
            Part::Thought(text) => vec![Piece::Thought(text)],
            Part::Answer(text) => self.answer(text),
        }
    }

    fn answer(&mut self, text: String) -> Vec<Piece> {
        let Some(calls) = &mut self.calls else {
            return match text.is_empty() {
                true => Vec::new(),
                false => vec![Piece::Text(text)],
            };
        };
        let mut said = Vec::new();
        calls.push(&text, &mut said);
        said.into_iter()
            .filter_map(|said| self.piece(said))
            .collect()
    }

    fn piece(&mut self, said: Said) -> Option<Piece> {
        Some(match said {
            Said::Text(text) => Piece::Text(text),
            Said::Call(name) => {
                let index = self.begun;
                self.begun += 1;
                let id = id(self.short_ids);
                Piece::Call { index, id, name }
            }
            Said::Arguments(text) => {
                let index = self.begun.saturating_sub(1);
                Piece::Arguments { index, text }
            }
            Said::Done => {
                self.whole += 1;
                return None;
            }
            Said::Broken(text) => Piece::Broken(text),
        })
    }
}

/// A new id, which no other call has.
fn id(short: bool) -> String {
    let random = Uuid::new_v4();
    if !short {
        return format!("call_{}", random.simple());
    }
    const DIGITS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut value = random.as_u128();
    let mut digit = || {
        let digit = DIGITS[(value % DIGITS.len() as u128) as usize];
        value /= DIGITS.len() as u128;
        char::from(digit)
    };
    (0..9).map(|_| digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(source: &str, opened: bool, names: &[&str]) -> Reader {
        let format = ChatFormat::of(source, &|_| None);
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Reading::new(&format, opened, names).reader()
    }

    #[test]
    fn an_answer_without_tools_and_thoughts_is_passed_on() {
        let mut plain = reader("{{ content }}", false, &[]);
        for text in ["<think>", " <tool_call> "] {
            assert_eq!(plain.push(text.into()), [Piece::Text(text.into())]);
        }
        assert_eq!(plain.push(String::new()), []);
        assert_eq!(plain.finish(), []);
        assert_eq!(plain.finish_reason(FinishReason::Stop), "stop");
    }

    #[test]
    fn calls_follow_thoughts_and_are_numbered() {
        let mut reader = reader("<think>", true, &["f"]);
        let text =
            "a <tool_call>\n</think>\n<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>";
        let mut pieces = reader.push(text.into());
        pieces.extend(reader.push("<tool_call>{\"name\": \"f\"}".into()));
        pieces.extend(reader.finish());
        let mut ids = Vec::new();
        let shown: Vec<String> = pieces
            .into_iter()
            .map(|piece| match piece {
                Piece::Thought(text) => format!("thought {text}"),
                Piece::Text(text) => format!("text {text}"),
                Piece::Call { index, id, name } => {
                    ids.push(id);
                    format!("call {index} {name}")
                }
                Piece::Arguments { index, text } => format!("arguments {index} {text}"),
                Piece::Broken(text) => format!("broken {text}"),
            })
            .collect();
        let wanted = [
            "thought a <tool_call>",
            "call 0 f",
            "arguments 0 {}",
            "call 1 f",
            "arguments 1 {}",
        ];
        assert_eq!(shown, wanted);
        assert!(ids[0] != ids[1] && ids[0].starts_with("call_"), "{ids:?}");
        assert_eq!(reader.finish_reason(FinishReason::Stop), "tool_calls");
        assert_eq!(reader.finish_reason(FinishReason::Length), "length");
    }

    #[test]
    fn an_answer_with_a_broken_call_has_no_calls_to_make() {
        let mut reader = reader("", false, &["f"]);
        let mut pieces = reader.push("<tool_call>{\"name\": \"f\", \"arguments\": {\"a".into());
        pieces.extend(reader.finish());
        let Some(Piece::Broken(text)) = pieces.last() else {
            panic!("{pieces:?}");
        };
        assert!(text.ends_with("{\"a"), "{text}");
        assert_eq!(reader.finish_reason(FinishReason::Stop), "stop");
    }

    #[test]
    fn ids_are_as_templates_take_them() {
        let short = id(true);
        assert_eq!(short.len(), 9);
        assert!(
            short.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{short}"
        );
        assert_ne!(short, id(true));
    }
}
