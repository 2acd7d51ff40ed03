//! The bounded queue between HTTP and the worker.
//!
//! First come, first served. A full queue refuses instead of growing; jobs whose client has gone
//! are taken out before it does.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::Job;
use super::events::{Bypass, EventSender, Events, measured_channel};
use super::meters::Meters;
use crate::metrics::jobs::JobMeter;

/// Jobs that wait.
#[derive(Debug)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    limit: usize,
    meters: Meters,
    /// Times that the worker asked for jobs, between its steps.
    asked: AtomicU64,
    /// Whether it has something to do.
    is_busy: AtomicBool,
}

#[derive(Debug)]
struct Waiting {
    jobs: VecDeque<Ticket>,
    open: bool,
    /// Ways to the clients of all jobs that wait or run.
    bypasses: Vec<Bypass>,
}

/// A job with the way back to its client.
#[derive(Debug)]
pub struct Ticket {
    /// What to run.
    pub job: Job,
    /// Where its events go.
    pub sender: EventSender,
}

/// Why a job was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// As many jobs wait as may.
    #[error("{limit} jobs are waiting already")]
    Full {
        /// The most that may wait.
        limit: usize,
    },
    /// No more jobs are taken: the server is stopping.
    #[error("no more jobs are taken")]
    Closed,
}

impl Queue {
    /// An open queue in which `limit` jobs may wait.
    pub fn new(limit: usize) -> Self {
        let waiting = Waiting {
            jobs: VecDeque::new(),
            open: true,
            bypasses: Vec::new(),
        };
        Self {
            waiting: Mutex::new(waiting),
            arrived: Condvar::new(),
            limit,
            meters: Meters::default(),
            asked: AtomicU64::new(0),
            is_busy: AtomicBool::new(false),
        }
    }

    /// The same, whose jobs are measured.
    #[must_use]
    pub fn measured_by(self, meters: Meters) -> Self {
        Self { meters, ..self }
    }

    /// What measures its jobs, and what becomes of them.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Puts a job at the end, of a request that arrives now.
    ///
    /// # Errors
    /// [`Refusal`] when the queue is full or closed.
    pub fn submit(&self, job: impl Into<Job>) -> Result<Events, Refusal> {
        let mut events = self.submit_all(vec![job], Instant::now())?;
        events.pop().ok_or(Refusal::Closed)
    }

    /// Puts all jobs of a request at the end that arrived then, one behind the other, or none of them.
    ///
    /// # Errors
    /// As [`Queue::submit`]: there is no room for all.
    pub fn submit_all(
        &self,
        jobs: Vec<impl Into<Job>>,
        arrived: Instant,
    ) -> Result<Vec<Events>, Refusal> {
        let mut waiting = self.lock();
        if !waiting.open {
            return Err(Refusal::Closed);
        }
        if !has_room(&mut waiting, jobs.len(), self.limit) {
            return Err(Refusal::Full { limit: self.limit });
        }
        waiting.bypasses.retain(Bypass::is_open);
        let mut all = Vec::with_capacity(jobs.len());
        for job in jobs {
            let job = job.into();
            let meter = JobMeter::new(Arc::clone(&self.meters.jobs), arrived);
            let (sender, events) = measured_channel(job.most_events(), meter);
            waiting.bypasses.push(sender.bypass());
            waiting.jobs.push_back(Ticket { job, sender });
            all.push(events);
        }
        drop(waiting);
        self.arrived.notify_one();
        Ok(all)
    }

    /// Whether a job would be refused now because too many wait.
    pub fn is_full(&self) -> bool {
        !has_room(&mut self.lock(), 1, self.limit)
    }

    /// The first job that is still wanted, waiting for one. `None`: closed and empty.
    pub fn next(&self) -> Option<Ticket> {
        self.is_busy.store(false, Ordering::Relaxed);
        let mut waiting = self.lock();
        loop {
            if let Some(ticket) = pop_wanted(&mut waiting) {
                self.is_busy.store(true, Ordering::Relaxed);
                return Some(ticket);
            }
            if !waiting.open {
                return None;
            }
            waiting = self
                .arrived
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The first job that is still wanted, if one is there now.
    pub fn try_next(&self) -> Option<Ticket> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        pop_wanted(&mut self.lock())
    }

    /// A number that changes with every step of the worker; `None` while it has nothing to do.
    pub fn pulse(&self) -> Option<u64> {
        let asked = self.asked.load(Ordering::Relaxed);
        self.is_busy.load(Ordering::Relaxed).then_some(asked)
    }

    /// Puts a job back to where it was taken from, whatever the limit.
    pub fn put_back(&self, ticket: Ticket) {
        self.lock().jobs.push_front(ticket);
    }

    /// Takes no more jobs; those that wait are still run.
    pub fn close(&self) {
        self.lock().open = false;
        self.arrived.notify_all();
    }

    /// Takes no more jobs and drops those that wait; their clients see the end of their events.
    pub fn abandon(&self) {
        let mut waiting = self.lock();
        waiting.open = false;
        waiting.jobs.clear();
        drop(waiting);
        self.arrived.notify_all();
    }

    /// Takes no more jobs and ends the answers of all that wait or run with [`Event::CutOff`], without
    /// waiting for the worker.
    ///
    /// [`Event::CutOff`]: super::Event::CutOff
    pub fn cut_off(&self) {
        let mut waiting = self.lock();
        for bypass in waiting.bypasses.drain(..) {
            bypass.cut_off();
        }
        drop(waiting);
        self.abandon();
    }

    /// Jobs that wait now, and whose clients wait for them.
    pub fn len(&self) -> usize {
        let waiting = self.lock();
        let wanted = |ticket: &&Ticket| !ticket.sender.is_cancelled();
        waiting.jobs.iter().filter(wanted).count()
    }

    /// Whether no job waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether no more jobs are taken.
    pub fn is_closed(&self) -> bool {
        !self.lock().open
    }

    /// Jobs that may wait.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// No code panics while it holds the lock, so a poisoned one still guards sound data.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `more` jobs may wait beside those that are still wanted.
fn has_room(waiting: &mut Waiting, more: usize, limit: usize) -> bool {
    if waiting.jobs.len() + more > limit {
        waiting.jobs.retain(|ticket| !ticket.sender.is_cancelled());
    }
    waiting.jobs.len() + more <= limit
}

fn pop_wanted(waiting: &mut Waiting) -> Option<Ticket> {
    while let Some(ticket) = waiting.jobs.pop_front() {
        if !ticket.sender.is_cancelled() {
            return Some(ticket);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::SamplingOptions;

    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::scheduler::{Event, JobLimits, ValidJob};

    fn job(token: u32) -> ValidJob {
        let limits = JobLimits {
            max_tokens: 4,
            ..JobLimits::default()
        };
        ValidJob::new(vec![token], 16, limits, SamplingOptions::default(), 0).expect("valid")
    }

    fn first(ticket: Option<Ticket>) -> Option<u32> {
        ticket.map(|ticket| match ticket.job {
            Job::Answer(job) => job.prompt()[0],
            Job::Embeddings(inputs) => inputs.all()[0][0],
        })
    }

    #[test]
    fn full_refuses_until_a_client_leaves() {
        let queue = Queue::new(2);
        let _first = queue.submit(job(1)).expect("room");
        let second = queue.submit(job(2)).expect("room");
        assert_eq!(queue.submit(job(3)).err(), Some(Refusal::Full { limit: 2 }));
        assert!(queue.is_full());
        drop(second);
        assert!(!queue.is_full(), "the second has left");
        let _third = queue.submit(job(3)).expect("the second has left");
        assert_eq!(first(queue.next()), Some(1));
        assert_eq!(first(queue.try_next()), Some(3));
        assert_eq!(first(queue.try_next()), None);
    }

    #[test]
    fn a_worker_that_works_has_a_pulse() {
        let queue = Queue::new(2);
        assert_eq!(queue.pulse(), None, "nobody works yet");
        let _first = queue.submit(job(1)).expect("room");
        queue.next();
        let before = queue.pulse().expect("it has a job");
        assert_eq!(queue.pulse(), Some(before), "no step was made");
        queue.try_next();
        assert_ne!(queue.pulse(), Some(before));
        queue.close();
        queue.next();
        assert_eq!(queue.pulse(), None, "it has gone");
    }

    #[test]
    fn jobs_of_a_request_wait_together_or_not_at_all() {
        let queue = Queue::new(3);
        let together = |tokens: &[u32]| {
            queue.submit_all(tokens.iter().map(|at| job(*at)).collect(), Instant::now())
        };
        let _two = together(&[1, 2]).expect("room");
        let refused = together(&[3, 4]).err();
        assert_eq!(refused, Some(Refusal::Full { limit: 3 }));
        assert_eq!(queue.len(), 2);
        let _third = together(&[5]).expect("room for one");
        assert_eq!(first(queue.next()), Some(1));
        assert_eq!(first(queue.next()), Some(2));
        assert_eq!(first(queue.next()), Some(5));
    }

    #[test]
    fn cutting_off_reaches_what_waits_and_what_runs() {
        let queue = Queue::new(2);
        let mut runs = queue.submit(job(1)).expect("room");
        let mut waits = queue.submit(job(2)).expect("room");
        let running = queue.next();
        queue.cut_off();
        for events in [&mut runs, &mut waits] {
            let mut context = Context::from_waker(Waker::noop());
            assert_eq!(
                events.poll_next(&mut context),
                Poll::Ready(Some(Event::CutOff))
            );
        }
        assert_eq!(
            first(running),
            Some(1),
            "the worker has it until its step ends"
        );
        assert_eq!(first(queue.next()), None);
        assert_eq!(queue.submit(job(3)).err(), Some(Refusal::Closed));
    }

    #[test]
    fn closing_runs_what_waits_and_abandoning_does_not() {
        let queue = Queue::new(2);
        let _waits = queue.submit(job(1)).expect("room");
        queue.close();
        assert_eq!(queue.submit(job(2)).err(), Some(Refusal::Closed));
        assert_eq!(first(queue.next()), Some(1));
        assert_eq!(first(queue.next()), None);

        let queue = Queue::new(2);
        let _waits = queue.submit(job(1)).expect("room");
        queue.abandon();
        assert_eq!(first(queue.next()), None);
    }
}
