//! A message that comes piece by piece.

use crate::api::response::{FunctionCall, ToolCall};
use crate::reading::Piece;

/// What an answer says, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// What the model thought before it.
    pub(super) thoughts: String,
    /// The text.
    pub(super) content: String,
    /// The calls.
    pub(super) calls: Vec<ToolCall>,
}

impl Message {
    /// Adds what has come.
    pub(super) fn add(&mut self, pieces: Vec<Piece>) {
        for piece in pieces {
            match piece {
                Piece::Thought(text) => self.thoughts.push_str(&text),
                Piece::Text(text) => self.content.push_str(&text),
                Piece::Call { id, name, .. } => self.calls.push(ToolCall {
                    id,
                    kind: "function",
                    function: FunctionCall {
                        name,
                        arguments: String::new(),
                    },
                }),
                Piece::Arguments { text, .. } => {
                    if let Some(call) = self.calls.last_mut() {
                        call.function.arguments.push_str(&text);
                    }
                }
                Piece::Broken(text) => {
                    self.calls.pop();
                    self.content.push_str(&text);
                }
            }
        }
    }
}
