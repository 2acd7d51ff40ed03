//! The way of a job's events from the worker to its client.
//!
//! Waking the HTTP side for a token costs a small model a tenth of the time that the token takes,
//! since the engine often has all CPUs. So tokens that come faster than a reader can tell apart leave
//! together.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::Event;

/// Events that a job may send beside its tokens: the last text, and the end.
const EVENTS_BESIDE_TOKENS: usize = 8;

/// Longest that a token waits for the ones after it: a frame of a display, 50 to the second. A model
/// that takes longer for a token sends each at once.
const GATHERED: Duration = Duration::from_millis(20);

/// The worker's end of a job's events.
#[derive(Debug)]
pub struct EventSender {
    sender: mpsc::Sender<Vec<Event>>,
    kept: Vec<Event>,
    times: Option<Times>,
}

/// The client's end of a job's events. Dropping it cancels the job.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::Receiver<Vec<Event>>,
    arrived: VecDeque<Event>,
}

/// When events last left, and when one was last given.
#[derive(Clone, Copy, Debug)]
struct Times {
    left: Instant,
    given: Instant,
}

/// A job's two ends: one for the worker, one for the client.
pub fn channel(max_tokens: usize) -> (EventSender, Events) {
    let (sender, receiver) = mpsc::channel(max_tokens.saturating_add(EVENTS_BESIDE_TOKENS));
    let sender = EventSender {
        sender,
        kept: Vec::new(),
        times: None,
    };
    let events = Events {
        receiver,
        arrived: VecDeque::new(),
    };
    (sender, events)
}

impl EventSender {
    /// Sends without waiting for the client: the first token and the end at once, tokens between them
    /// within [`GATHERED`] if the next one takes no longer than this one did.
    pub fn send(&mut self, event: Event) {
        let now = Instant::now();
        let may_wait = matches!(event, Event::Text { .. });
        self.kept.push(event);
        let left = match self.times {
            Some(times) if may_wait && times.next_is_in_time(now) => times.left,
            _ => {
                self.deliver();
                now
            }
        };
        self.times = Some(Times { left, given: now });
    }

    /// Whether nobody listens any more.
    pub fn is_cancelled(&self) -> bool {
        self.sender.is_closed()
    }

    /// The channel holds a whole answer, so it is never full; a receiver that has gone is noticed by
    /// [`EventSender::is_cancelled`].
    fn deliver(&mut self) {
        let _ = self.sender.try_send(std::mem::take(&mut self.kept));
    }
}

impl Times {
    /// Whether an event that comes as long after `now` as this one after the last still leaves
    /// within [`GATHERED`].
    fn next_is_in_time(self, now: Instant) -> bool {
        (now - self.left) + (now - self.given) <= GATHERED
    }
}

impl Events {
    /// The next event; `None` without a preceding end when the worker died.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`Events::next`], for hand-written streams.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        while self.arrived.is_empty() {
            match ready!(self.receiver.poll_recv(context)) {
                Some(events) => self.arrived.extend(events),
                None => return Poll::Ready(None),
            }
        }
        Poll::Ready(self.arrived.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::BackendError;

    fn text(text: &str) -> Event {
        Event::Text {
            text: text.into(),
            logprobs: None,
        }
    }

    fn received(events: &mut Events) -> Vec<Event> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(Some(event)) = events.poll_next(&mut context) {
            all.push(event);
        }
        all
    }

    /// A sender that looks back on a token of `token` long, `left` after events last left.
    fn sender_after(left: Duration, token: Duration) -> (EventSender, Events) {
        let (mut sender, events) = channel(10);
        let now = Instant::now();
        sender.times = Some(Times {
            left: now.checked_sub(left).expect("the clock is older"),
            given: now.checked_sub(token).expect("the clock is older"),
        });
        (sender, events)
    }

    #[test]
    fn the_first_token_leaves_at_once() {
        let (mut sender, mut events) = channel(10);
        sender.send(text("a"));
        assert_eq!(received(&mut events), [text("a")]);
    }

    #[test]
    fn a_slow_model_sends_each_token_and_a_fast_one_several() {
        for (left, token, leaves) in [
            (30, 30, true),
            (15, 15, true),
            (0, 0, false),
            (4, 4, false),
            (18, 4, true),
        ] {
            let [left, token] = [left, token].map(Duration::from_millis);
            let (mut sender, mut events) = sender_after(left, token);
            sender.send(text("a"));
            let got = received(&mut events);
            assert_eq!(got.len(), usize::from(leaves), "{left:?} {token:?}");
        }
    }

    #[test]
    fn what_was_kept_leaves_before_the_end() {
        let (mut sender, mut events) = sender_after(Duration::ZERO, Duration::ZERO);
        sender.send(text("a"));
        sender.send(text("b"));
        let end = Event::Failed(BackendError("broken".into()));
        sender.send(end.clone());
        assert_eq!(received(&mut events), [text("a"), text("b"), end]);
    }

    #[test]
    fn a_client_that_left_is_noticed() {
        let (sender, events) = channel(10);
        assert!(!sender.is_cancelled());
        drop(events);
        assert!(sender.is_cancelled());
    }
}
