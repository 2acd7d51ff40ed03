//! What an answer has come to, item by item.

use uuid::Uuid;

use crate::api::response::TokenEntry;
use crate::api::responses::response::{Item, Part, Status};
use crate::reading::Piece;

/// Items in their order, of which the last may be open.
#[derive(Debug, Default)]
pub(super) struct Output {
    items: Vec<Item>,
    open: bool,
    /// Logprobs of tokens whose text has not come yet.
    waiting: Vec<TokenEntry>,
}

/// What happened to an item, by its number.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// It began, empty.
    Opened(usize),
    /// There is more of it.
    Grown {
        /// The item.
        number: usize,
        /// What was added.
        delta: String,
        /// Of the tokens that were added, if it is a message.
        logprobs: Vec<TokenEntry>,
    },
    /// It is over.
    Closed(usize),
}

impl Output {
    /// All items.
    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// Adds what has come with a token.
    pub(super) fn add(&mut self, pieces: Vec<Piece>, logprobs: Option<TokenEntry>) -> Vec<Change> {
        self.waiting.extend(logprobs);
        let mut changes = Vec::new();
        for piece in pieces {
            self.piece(piece, &mut changes);
        }
        changes
    }

    /// Adds the last that has come, and ends the answer, which is whole or cut off.
    pub(super) fn finish(&mut self, pieces: Vec<Piece>, status: Status) -> Vec<Change> {
        let mut changes = self.add(pieces, None);
        let message = |item: &Item| matches!(item, Item::Message { .. });
        if self.open && self.items.last().is_some_and(message) && !self.waiting.is_empty() {
            self.grow(String::new(), &mut changes);
        }
        // A call that is open now is whole: the reader says when one is not.
        let status = match self.items.last() {
            Some(Item::FunctionCall { .. }) => Status::Completed,
            _ => status,
        };
        self.close(status, &mut changes);
        // Clients look for a message where there are no calls.
        let thought = |item: &Item| matches!(item, Item::Reasoning { .. });
        if self.items.iter().all(thought) {
            self.open(message_item(), &mut changes);
            self.close(status, &mut changes);
        }
        changes
    }

    fn piece(&mut self, piece: Piece, changes: &mut Vec<Change>) {
        match piece {
            Piece::Thought(text) => {
                if !matches!(self.current(), Some(Item::Reasoning { .. })) {
                    self.open(reasoning_item(), changes);
                }
                self.grow(text, changes);
            }
            Piece::Text(text) => {
                if !matches!(self.current(), Some(Item::Message { .. })) {
                    self.open(message_item(), changes);
                }
                self.grow(text, changes);
            }
            Piece::Call { id, name, .. } => self.open(call_item(id, name), changes),
            Piece::Arguments { text, .. } => self.grow(text, changes),
            // What was sent of it stands, as a call that is not whole.
            Piece::Broken(_) => self.close(Status::Incomplete, changes),
        }
    }

    /// The item that is open.
    fn current(&mut self) -> Option<&mut Item> {
        self.items.last_mut().filter(|_| self.open)
    }

    fn open(&mut self, item: Item, changes: &mut Vec<Change>) {
        self.close(Status::Completed, changes);
        changes.push(Change::Opened(self.items.len()));
        self.items.push(item);
        self.open = true;
    }

    fn grow(&mut self, delta: String, changes: &mut Vec<Change>) {
        let mut waiting = std::mem::take(&mut self.waiting);
        let number = self.items.len().saturating_sub(1);
        let Some(item) = self.current() else { return };
        match item {
            Item::Reasoning { content, .. } | Item::Message { content, .. } => {
                for part in content {
                    match part {
                        Part::ReasoningText { text } => text.push_str(&delta),
                        Part::OutputText { text, logprobs, .. } => {
                            text.push_str(&delta);
                            logprobs.extend(waiting.iter().cloned());
                        }
                    }
                }
            }
            Item::FunctionCall { arguments, .. } => arguments.push_str(&delta),
        }
        if !matches!(item, Item::Message { .. }) {
            waiting.clear();
        }
        changes.push(Change::Grown {
            number,
            delta,
            logprobs: waiting,
        });
    }

    fn close(&mut self, now: Status, changes: &mut Vec<Change>) {
        let number = self.items.len().saturating_sub(1);
        let Some(item) = self.current() else { return };
        match item {
            Item::Reasoning { status, .. }
            | Item::Message { status, .. }
            | Item::FunctionCall { status, .. } => *status = now,
        }
        changes.push(Change::Closed(number));
        self.open = false;
    }
}

fn id(kind: &str) -> String {
    format!("{kind}_{}", Uuid::new_v4().simple())
}

fn reasoning_item() -> Item {
    Item::Reasoning {
        id: id("rs"),
        summary: [],
        content: vec![Part::ReasoningText {
            text: String::new(),
        }],
        status: Status::InProgress,
    }
}

fn message_item() -> Item {
    Item::Message {
        id: id("msg"),
        status: Status::InProgress,
        role: "assistant",
        content: vec![Part::OutputText {
            text: String::new(),
            annotations: [],
            logprobs: Vec::new(),
        }],
    }
}

fn call_item(call_id: String, name: String) -> Item {
    Item::FunctionCall {
        id: id("fc"),
        call_id,
        name,
        arguments: String::new(),
        status: Status::InProgress,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::response::TokenLogprob;

    fn entry(token: &str) -> TokenEntry {
        TokenEntry {
            token: TokenLogprob {
                token: token.into(),
                logprob: -0.5,
                bytes: token.as_bytes().to_vec(),
            },
            top_logprobs: Vec::new(),
        }
    }

    /// What happened, in short.
    fn shown(changes: &[Change]) -> Vec<String> {
        let change = |change: &Change| match change {
            Change::Opened(number) => format!("open {number}"),
            Change::Closed(number) => format!("close {number}"),
            Change::Grown {
                number,
                delta,
                logprobs,
            } => {
                let tokens = logprobs.iter().map(|entry| entry.token.token.as_str());
                let tokens: Vec<&str> = tokens.collect();
                format!("{number} {delta} {}", tokens.join("|"))
            }
        };
        changes.iter().map(change).collect()
    }

    fn statuses(output: &Output) -> Vec<Status> {
        let status = |item: &Item| match item {
            Item::Reasoning { status, .. }
            | Item::Message { status, .. }
            | Item::FunctionCall { status, .. } => *status,
        };
        output.items().iter().map(status).collect()
    }

    #[test]
    fn thoughts_text_and_calls_are_items_and_logprobs_those_of_the_text() {
        let mut output = Output::default();
        let mut changes = output.add(vec![Piece::Thought("why".into())], None);
        changes.extend(output.add(vec![Piece::Text("a".into())], Some(entry("a"))));
        // Half a character.
        changes.extend(output.add(vec![], Some(entry("b"))));
        changes.extend(output.add(vec![Piece::Text("bc".into())], Some(entry("c"))));
        let call = Piece::Call {
            index: 0,
            id: "call_1".into(),
            name: "f".into(),
        };
        let arguments = Piece::Arguments {
            index: 0,
            text: "{}".into(),
        };
        changes.extend(output.add(vec![call, arguments], Some(entry("call"))));
        changes.extend(output.finish(vec![], Status::Completed));
        let wanted = [
            "open 0", "0 why ", "close 0", "open 1", "1 a a", "1 bc b|c", "close 1", "open 2",
            "2 {} ", "close 2",
        ];
        assert_eq!(shown(&changes), wanted);
        assert_eq!(statuses(&output), [Status::Completed; 3]);
    }

    #[test]
    fn what_is_cut_off_says_so() {
        let mut output = Output::default();
        output.add(vec![Piece::Text("a".into())], None);
        output.finish(vec![], Status::Incomplete);
        assert_eq!(statuses(&output), [Status::Incomplete]);

        let mut output = Output::default();
        let call = Piece::Call {
            index: 0,
            id: "call_1".into(),
            name: "f".into(),
        };
        output.add(vec![call], None);
        output.finish(
            vec![Piece::Broken("<tool_call>".into())],
            Status::Incomplete,
        );
        assert_eq!(statuses(&output), [Status::Incomplete], "and no message");
    }

    #[test]
    fn an_answer_of_nothing_is_a_message_of_nothing() {
        let mut output = Output::default();
        let changes = output.finish(vec![], Status::Completed);
        assert_eq!(shown(&changes), ["open 0", "close 0"]);
        let mut output = Output::default();
        output.add(vec![Piece::Thought("a".into())], None);
        output.finish(vec![], Status::Incomplete);
        assert_eq!(statuses(&output), [Status::Incomplete; 2]);
    }
}
