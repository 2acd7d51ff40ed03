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
use super::outcome::{Finish, FinishReason};
use super::waits::Wait;
use crate::metrics::jobs::{End, JobEnd, JobMeter};

/// Events that a job may send beside its tokens: the last text, and the end.
const EVENTS_BESIDE_TOKENS: usize = 8;

/// Longest that a token waits for the ones after it: a frame of a display, 50 to the second. A model
/// that takes longer for a step sends the tokens of each at once.
const GATHERED: Duration = Duration::from_millis(20);

/// The worker's end of a job's events.
#[derive(Debug)]
pub struct EventSender {
    sender: mpsc::Sender<Vec<Event>>,
    kept: Vec<Event>,
    times: Option<Times>,
    meter: JobMeter,
}

/// A way past the worker to the client of a job, for what ends all answers at once.
#[derive(Debug)]
pub struct Bypass {
    sender: mpsc::WeakSender<Vec<Event>>,
    end: End,
}

/// The client's end of a job's events. Dropping it cancels the job.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::Receiver<Vec<Event>>,
    arrived: VecDeque<Event>,
    wait: Wait,
}

/// When text last left, and when the last step that made some ended.
#[derive(Clone, Copy, Debug)]
struct Times {
    left: Instant,
    given: Instant,
}

/// A job's two ends: one for the worker, one for the client. Nobody measures it.
pub fn channel(max_tokens: usize) -> (EventSender, Events) {
    measured_channel(max_tokens, JobMeter::default())
}

/// The same, of a job that is measured.
pub fn measured_channel(max_tokens: usize, meter: JobMeter) -> (EventSender, Events) {
    let (sender, receiver) = mpsc::channel(max_tokens.saturating_add(EVENTS_BESIDE_TOKENS));
    let wait = meter.wait().clone();
    let sender = EventSender {
        sender,
        kept: Vec::new(),
        times: None,
        meter,
    };
    let events = Events {
        receiver,
        arrived: VecDeque::new(),
        wait,
    };
    (sender, events)
}

impl EventSender {
    /// The engine has taken the job in.
    pub fn admitted(&self) {
        self.meter.admitted();
    }

    /// Takes an event, without waiting for the client. The end leaves at once, and all text before it;
    /// text leaves after the step that made it.
    pub fn send(&mut self, event: Event) {
        let is_text = matches!(event, Event::Text { .. });
        self.kept.push(event);
        if !is_text {
            self.deliver(Instant::now());
        }
    }

    /// Says that a step has ended, at `now`: its text leaves, or stays for the text of the next step
    /// where that comes within 20 ms if it takes no longer than this one did. The first text
    /// leaves at once.
    pub fn step_ended(&mut self, now: Instant) {
        if self.kept.is_empty() {
            return;
        }
        let left = match self.times {
            Some(times) if times.next_is_in_time(now) => times.left,
            _ => {
                self.deliver(now);
                now
            }
        };
        self.times = Some(Times { left, given: now });
    }

    /// A way past this end, which does not keep it open.
    pub fn bypass(&self) -> Bypass {
        Bypass {
            sender: self.sender.downgrade(),
            end: self.meter.end().clone(),
        }
    }

    /// Whether nobody listens any more.
    pub fn is_cancelled(&self) -> bool {
        self.sender.is_closed()
    }

    /// The channel holds a whole answer, so it is never full; a receiver that has gone is noticed by
    /// [`EventSender::is_cancelled`].
    fn deliver(&mut self, now: Instant) {
        if self.kept.is_empty() {
            return;
        }
        let events = std::mem::take(&mut self.kept);
        let is_text = |event: &&Event| matches!(event, Event::Text { .. });
        let tokens = events.iter().filter(is_text).count();
        let end = events.last().and_then(job_end);
        if self.sender.try_send(events).is_err() {
            return;
        }
        self.meter.tokens_left(tokens, now);
        match end {
            None => {}
            Some((end, Some(finish))) => {
                let (prompt, answer) = (finish.prompt_tokens, finish.completion_tokens);
                self.meter.finished(end, prompt, answer, now);
            }
            Some((end, None)) => drop(self.meter.end().count(end)),
        }
    }
}

/// How a job ends with an event, if it does, and what a complete answer cost.
fn job_end(event: &Event) -> Option<(JobEnd, Option<Finish>)> {
    Some(match event {
        Event::Text { .. } => return None,
        Event::Finished(finish) => {
            let end = match finish.reason {
                FinishReason::Stop => JobEnd::Stop,
                FinishReason::Length => JobEnd::Length,
            };
            (end, Some(*finish))
        }
        Event::Embedded(_) => (JobEnd::Embedded, None),
        Event::Failed(_) | Event::NotFinite(_) => (JobEnd::Failed, None),
        Event::CutOff => (JobEnd::CutOff, None),
    })
}

impl Drop for EventSender {
    /// What was said before the worker died is part of the answer.
    fn drop(&mut self) {
        let has_left = self.is_cancelled();
        self.deliver(Instant::now());
        // Counts nothing where it has ended.
        let end = if has_left {
            JobEnd::Cancelled
        } else {
            JobEnd::Failed
        };
        self.meter.end().count(end);
    }
}

impl Bypass {
    /// Whether the worker still has the job.
    pub fn is_open(&self) -> bool {
        self.sender.strong_count() > 0
    }

    /// Ends the answer with [`Event::CutOff`], behind what has been delivered.
    pub fn cut_off(&self) {
        if let Some(sender) = self.sender.upgrade() {
            let has_left = sender.is_closed();
            // As in `deliver`, there is room, or nobody.
            let _ = sender.try_send(vec![Event::CutOff]);
            self.end.count(if has_left {
                JobEnd::Cancelled
            } else {
                JobEnd::CutOff
            });
        }
    }
}

impl Times {
    /// Whether text that comes as long after `now` as this after the last still leaves within
    /// [`GATHERED`].
    fn next_is_in_time(self, now: Instant) -> bool {
        (now - self.left) + (now - self.given) <= GATHERED
    }
}

impl Events {
    /// How long the job waits for the engine.
    pub fn wait(&self) -> Wait {
        self.wait.clone()
    }

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
    use crate::scheduler::outcome::text;

    fn received(events: &mut Events) -> Vec<Event> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(Some(event)) = events.poll_next(&mut context) {
            all.push(event);
        }
        all
    }

    #[test]
    fn the_first_step_leaves_at_once() {
        let (mut sender, mut events) = channel(10);
        sender.send(text("a"));
        sender.step_ended(Instant::now());
        assert_eq!(received(&mut events), [text("a")]);
    }

    #[test]
    fn a_slow_model_sends_each_step_and_a_fast_one_several() {
        for (step, pieces) in [(30, [1; 6]), (15, [1; 6]), (4, [1, 0, 0, 0, 0, 5])] {
            let (mut sender, mut events) = channel(10);
            let began = Instant::now();
            for (index, pieces) in (0..).zip(pieces) {
                sender.send(text("a"));
                sender.step_ended(began + Duration::from_millis(step) * index);
                let arrived = received(&mut events).len();
                assert_eq!(arrived, pieces, "{step} ms, step {index}");
            }
        }
    }

    #[test]
    fn all_tokens_of_a_slow_step_leave_together() {
        let (mut sender, mut events) = channel(10);
        let began = Instant::now();
        for (seconds, pieces) in [(0, 1), (1, 3)] {
            for _ in 0..pieces {
                sender.send(text("a"));
            }
            sender.step_ended(began + Duration::from_secs(seconds));
            assert_eq!(received(&mut events).len(), pieces);
        }
    }

    #[test]
    fn what_was_kept_leaves_before_the_end() {
        let end = Event::Failed(BackendError("broken".into()));
        for last in [Some(end), None] {
            let (mut sender, mut events) = channel(10);
            sender.send(text("a"));
            sender.send(text("b"));
            if let Some(end) = last.clone() {
                sender.send(end);
            }
            drop(sender);
            let wanted: Vec<Event> = [text("a"), text("b")].into_iter().chain(last).collect();
            let mut context = Context::from_waker(std::task::Waker::noop());
            for event in wanted.into_iter().map(Some).chain([None]) {
                assert_eq!(events.poll_next(&mut context), Poll::Ready(event));
            }
        }
    }

    #[test]
    fn an_answer_is_cut_off_without_its_worker() {
        let (mut sender, mut events) = channel(10);
        let bypass = sender.bypass();
        sender.send(text("a"));
        sender.step_ended(Instant::now());
        sender.send(text("kept for the next step"));
        bypass.cut_off();
        assert_eq!(received(&mut events), [text("a"), Event::CutOff]);
        assert!(bypass.is_open());
        drop(sender);
        assert!(!bypass.is_open(), "it keeps nothing open");
        bypass.cut_off();
        assert_eq!(received(&mut events), [text("kept for the next step")]);
    }

    #[test]
    fn a_client_that_left_is_noticed() {
        let (sender, events) = channel(10);
        assert!(!sender.is_cancelled());
        drop(events);
        assert!(sender.is_cancelled());
    }
}
