//! The answers of one request, told apart by their numbers.

use std::task::{Context, Poll};

use super::{Event, Events, Waits};

/// What comes of a request: the events of each of its answers. Dropping it cancels them all.
#[derive(Debug)]
pub struct Choices {
    /// `None`: nothing follows.
    answers: Vec<Option<Events>>,
    /// Where to look first, so that an answer that always has something hides no other.
    next: usize,
}

impl From<Vec<Events>> for Choices {
    fn from(answers: Vec<Events>) -> Self {
        Self {
            answers: answers.into_iter().map(Some).collect(),
            next: 0,
        }
    }
}

impl Choices {
    /// How long their jobs wait. To be asked before any is over.
    pub fn waits(&self) -> Waits {
        self.answers.iter().flatten().map(Events::wait).collect()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.answers.len()
    }

    /// An answer's number and its next event, which is `None` where the worker died; ready without either
    /// when all are over.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<(usize, Option<Event>)>> {
        let count = self.answers.len();
        let mut all_over = true;
        for number in (0..count).map(|step| (self.next + step) % count) {
            let Some(events) = &mut self.answers[number] else {
                continue;
            };
            all_over = false;
            if let Poll::Ready(event) = events.poll_next(context) {
                if !matches!(event, Some(Event::Text { .. })) {
                    self.answers[number] = None;
                }
                self.next = number + 1;
                return Poll::Ready(Some((number, event)));
            }
        }
        match all_over {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }

    /// As [`Choices::poll_next`].
    pub async fn next(&mut self) -> Option<(usize, Option<Event>)> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::scheduler::BackendError;
    use crate::scheduler::events::channel;
    use crate::scheduler::outcome::text;

    #[test]
    fn answers_take_turns_and_each_ends_by_itself() {
        let ((mut first, one), (mut second, two)) = (channel(8), channel(8));
        let mut choices = Choices::from(vec![one, two]);
        for word in ["a", "b"] {
            first.send(text(word));
        }
        first.step_ended(Instant::now());
        second.send(text("x"));
        let end = Event::Failed(BackendError("broken".into()));
        second.send(end.clone());
        drop(first);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut seen = Vec::new();
        while let Poll::Ready(Some(event)) = choices.poll_next(&mut context) {
            seen.push(event);
        }
        let wanted = [
            (0, Some(text("a"))),
            (1, Some(text("x"))),
            (0, Some(text("b"))),
            (1, Some(end)),
            (0, None),
        ];
        assert_eq!(seen, wanted);
        assert_eq!(choices.poll_next(&mut context), Poll::Ready(None));
        assert!(second.is_cancelled());
    }
}
