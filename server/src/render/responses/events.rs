//! Events of a stream, in the order in which OpenAI's clients expect them.

use super::output::Change;
use crate::api::response::TokenEntry;
use crate::api::responses::response::{Event, Item, Part, Response, Status};
use crate::render::unsent::Unsent;

/// The event with which an answer begins or ends.
pub(super) fn of_response(kind: &'static str, number: u64, now: Response<'_>, unsent: &mut Unsent) {
    let event = Event {
        response: Some(now),
        ..Event::default()
    };
    Numbered(number, unsent).send(kind, event);
}

/// The events of changes to `items`, the first of them with `number`: returns the number of the next one.
pub(super) fn of_changes(
    changes: &[Change],
    items: &[Item],
    number: u64,
    unsent: &mut Unsent,
) -> u64 {
    let mut events = Numbered(number, unsent);
    for change in changes {
        match change {
            Change::Opened(index) => events.opened(*index, &items[*index]),
            Change::Grown {
                number,
                delta,
                logprobs,
            } => events.grown(*number, &items[*number], delta, logprobs),
            Change::Closed(index) => events.closed(*index, &items[*index]),
        }
    }
    events.0
}

/// Events get their numbers as they are sent.
struct Numbered<'u>(u64, &'u mut Unsent);

impl Numbered<'_> {
    fn send(&mut self, kind: &'static str, mut event: Event<'_>) {
        (event.kind, event.sequence_number) = (kind, self.0);
        self.1.event_of_kind(kind, &event);
        self.0 += 1;
    }

    fn opened(&mut self, index: usize, item: &Item) {
        let (begun, part) = begun(item);
        let added = Event {
            output_index: Some(index),
            item: Some(&begun),
            ..Event::default()
        };
        self.send("response.output_item.added", added);
        if let Some(part) = &part {
            let added = Event {
                part: Some(part),
                ..within(index, item)
            };
            self.send("response.content_part.added", added);
        }
    }

    fn grown(&mut self, index: usize, item: &Item, delta: &str, logprobs: &[TokenEntry]) {
        let (kind, logprobs) = match item {
            Item::Reasoning { .. } => ("response.reasoning_text.delta", None),
            Item::Message { .. } => ("response.output_text.delta", Some(logprobs)),
            Item::FunctionCall { .. } => ("response.function_call_arguments.delta", None),
        };
        let event = Event {
            delta: Some(delta),
            logprobs,
            ..within(index, item)
        };
        self.send(kind, event);
    }

    fn closed(&mut self, index: usize, item: &Item) {
        match item {
            Item::Reasoning { content, .. } | Item::Message { content, .. } => {
                for part in content {
                    self.part_closed(index, item, part);
                }
            }
            Item::FunctionCall { arguments, .. } => {
                let event = Event {
                    arguments: Some(arguments),
                    ..within(index, item)
                };
                self.send("response.function_call_arguments.done", event);
            }
        }
        let done = Event {
            output_index: Some(index),
            item: Some(item),
            ..Event::default()
        };
        self.send("response.output_item.done", done);
    }

    fn part_closed(&mut self, index: usize, item: &Item, part: &Part) {
        let (kind, text, logprobs) = match part {
            Part::ReasoningText { text } => ("response.reasoning_text.done", text, None),
            Part::OutputText { text, logprobs, .. } => {
                ("response.output_text.done", text, Some(logprobs.as_slice()))
            }
        };
        let event = Event {
            text: Some(text),
            logprobs,
            ..within(index, item)
        };
        self.send(kind, event);
        let event = Event {
            part: Some(part),
            ..within(index, item)
        };
        self.send("response.content_part.done", event);
    }
}

/// What all events within an item say: a call has no parts.
fn within(index: usize, item: &Item) -> Event<'_> {
    let (id, content_index) = match item {
        Item::Reasoning { id, .. } | Item::Message { id, .. } => (id, Some(0)),
        Item::FunctionCall { id, .. } => (id, None),
    };
    Event {
        output_index: Some(index),
        item_id: Some(id),
        content_index,
        ..Event::default()
    }
}

/// An item as it was when it began, and the part that it then got.
fn begun(item: &Item) -> (Item, Option<Part>) {
    let status = Status::InProgress;
    match item {
        Item::Reasoning { id, .. } => {
            let begun = Item::Reasoning {
                id: id.clone(),
                summary: [],
                content: Vec::new(),
                status,
            };
            let text = String::new();
            (begun, Some(Part::ReasoningText { text }))
        }
        Item::Message { id, .. } => {
            let begun = Item::Message {
                id: id.clone(),
                status,
                role: "assistant",
                content: Vec::new(),
            };
            let part = Part::OutputText {
                text: String::new(),
                annotations: [],
                logprobs: Vec::new(),
            };
            (begun, Some(part))
        }
        Item::FunctionCall {
            id, call_id, name, ..
        } => {
            let begun = Item::FunctionCall {
                id: id.clone(),
                call_id: call_id.clone(),
                name: name.clone(),
                arguments: String::new(),
                status,
            };
            (begun, None)
        }
    }
}
