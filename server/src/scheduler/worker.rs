//! The loop of the one thread that drives the engine.

use std::time::Instant;

use super::events::EventSender;
use super::queue::Ticket;
use super::{Backend, BackendError, Event, JobId, Meters, NotAdmitted, Queue};

/// A job that the backend holds.
struct Live {
    id: JobId,
    sender: EventSender,
    finished: bool,
}

/// Runs jobs until the queue is closed and empty. A panic of the backend passes through; the
/// clients of live jobs then see their events end.
pub fn run(backend: &mut dyn Backend, queue: &Queue) {
    let mut live: Vec<Live> = Vec::new();
    let mut next_id: JobId = 0;
    loop {
        // The first of the queue keeps its place until there is room for it.
        while let Some(Ticket { job, mut sender }) = next(queue, live.is_empty()) {
            next_id += 1;
            match backend.admit(next_id, job) {
                Ok(()) => {
                    sender.admitted();
                    live.push(Live {
                        id: next_id,
                        sender,
                        finished: false,
                    });
                }
                Err(NotAdmitted::Wait(job)) if !live.is_empty() => {
                    queue.put_back(Ticket { job: *job, sender });
                    break;
                }
                Err(NotAdmitted::Wait(_)) => {
                    let reason = "an idle engine has no room for a request that it took";
                    sender.send(Event::Failed(BackendError(reason.into())));
                }
                Err(NotAdmitted::Failed(error)) => sender.send(Event::Failed(error)),
            }
        }
        if live.is_empty() {
            return;
        }
        release(backend, &mut live, |job| job.sender.is_cancelled());
        if !live.is_empty() {
            show(backend, &live, queue.meters());
            step(backend, &mut live, queue.meters());
        }
        release(backend, &mut live, |job| job.finished);
        show(backend, &live, queue.meters());
    }
}

/// Shows what is in the engine, before a step and after it.
fn show(backend: &dyn Backend, live: &[Live], meters: &Meters) {
    meters.steps.running(live.len());
    if let Some(now) = backend.cache_use() {
        meters.steps.cache(now);
    }
}

/// The first job that waits; if `idle`, waits for one, and there is none only when the queue is closed.
fn next(queue: &Queue, idle: bool) -> Option<Ticket> {
    match idle {
        true => queue.next(),
        false => queue.try_next(),
    }
}

fn step(backend: &mut dyn Backend, live: &mut [Live], meters: &Meters) {
    let result = backend.step(&mut |id, event| {
        if let Some(job) = live.iter_mut().find(|job| job.id == id) {
            job.finished |= !matches!(event, Event::Text { .. });
            job.sender.send(event);
        }
    });
    let now = Instant::now();
    for job in live.iter_mut() {
        job.sender.step_ended(now);
    }
    if let Some(report) = backend.report().filter(|_| result.is_ok()) {
        meters.steps.step(&report);
        meters.tally.note(&report);
    }
    if let Err(error) = result {
        tracing::error!(%error, "a step failed");
        for job in live {
            job.sender.send(Event::Failed(error.clone()));
            job.finished = true;
        }
    }
}

fn release(backend: &mut dyn Backend, live: &mut Vec<Live>, over: impl Fn(&Live) -> bool) {
    live.retain(|job| {
        let over = over(job);
        if over {
            backend.release(job.id);
        }
        !over
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sysinfer_engine::{Drafts, SamplingOptions};

    use super::*;
    use crate::scheduler::{BackendError, Events, Finish, FinishReason, Job, JobLimits, ValidJob};

    /// Counts down each job's `max_tokens`, one event per step; the first prompt token says how
    /// the job goes wrong, if at all.
    #[derive(Default)]
    struct Countdown {
        slots: usize,
        jobs: Vec<(JobId, u32, usize)>,
        steps: usize,
        released: Vec<JobId>,
    }

    const REFUSED: u32 = 7;
    const FAILS: u32 = 8;

    impl Backend for Countdown {
        fn admit(&mut self, id: JobId, job: Job) -> Result<(), NotAdmitted> {
            let Job::Answer(job) = job else {
                panic!("the tests submit answers");
            };
            if job.prompt()[0] == REFUSED {
                return Err(NotAdmitted::Failed(BackendError("refused".into())));
            }
            if self.jobs.len() == self.slots {
                return Err(NotAdmitted::Wait(Box::new(Job::Answer(job))));
            }
            self.jobs
                .push((id, job.prompt()[0], job.limits().max_tokens));
            Ok(())
        }

        fn step(&mut self, emit: &mut dyn FnMut(JobId, Event)) -> Result<(), BackendError> {
            self.steps += 1;
            for (id, kind, left) in &mut self.jobs {
                if *kind == FAILS {
                    return Err(BackendError("broken".into()));
                }
                *left -= 1;
                emit(
                    *id,
                    Event::Text {
                        text: left.to_string(),
                        logprobs: None,
                    },
                );
                if *left == 0 {
                    emit(*id, Event::Finished(finish()));
                }
            }
            Ok(())
        }

        fn release(&mut self, id: JobId) {
            self.jobs.retain(|job| job.0 != id);
            self.released.push(id);
        }
    }

    fn finish() -> Finish {
        Finish {
            reason: FinishReason::Length,
            prompt_tokens: 1,
            cached_tokens: 0,
            completion_tokens: 2,
            drafts: Drafts::default(),
            prefill_time: Duration::ZERO,
            decode_time: Duration::ZERO,
        }
    }

    fn submit(queue: &Queue, kind: u32, max_tokens: usize) -> Events {
        let limits = JobLimits {
            max_tokens,
            ..JobLimits::default()
        };
        let job =
            ValidJob::new(vec![kind], 100, limits, SamplingOptions::default(), 0).expect("valid");
        queue.submit(job).expect("room")
    }

    /// Runs a closed queue to its end.
    fn run_all(queue: &Queue, slots: usize) -> Countdown {
        let mut backend = Countdown {
            slots,
            ..Countdown::default()
        };
        queue.close();
        run(&mut backend, queue);
        assert!(backend.jobs.is_empty(), "a job was never released");
        backend
    }

    fn received(events: &mut Events) -> Vec<Event> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let mut all = Vec::new();
        while let std::task::Poll::Ready(Some(event)) = events.poll_next(&mut context) {
            all.push(event);
        }
        all
    }

    #[test]
    fn jobs_run_one_after_another_or_share_steps() {
        for (slots, steps) in [(1, 5), (2, 3)] {
            let queue = Queue::new(4);
            let mut first = submit(&queue, 0, 2);
            let mut second = submit(&queue, 0, 3);
            let backend = run_all(&queue, slots);
            assert_eq!(backend.steps, steps, "{slots} slots");
            assert_eq!(received(&mut first).len(), 3);
            assert_eq!(received(&mut second).len(), 4);
        }
    }

    #[test]
    fn failures_reach_their_clients_and_the_next_job_runs() {
        let queue = Queue::new(4);
        let mut refused = submit(&queue, REFUSED, 2);
        let mut fails = submit(&queue, FAILS, 2);
        let mut good = submit(&queue, 0, 1);
        run_all(&queue, 1);
        assert_eq!(
            received(&mut refused),
            [Event::Failed(BackendError("refused".into()))]
        );
        assert_eq!(
            received(&mut fails),
            [Event::Failed(BackendError("broken".into()))]
        );
        assert_eq!(received(&mut good).last(), Some(&Event::Finished(finish())));
    }

    #[test]
    fn a_job_that_waits_for_room_keeps_its_place() {
        let queue = Queue::new(4);
        let mut jobs: Vec<Events> = [3, 1, 1].map(|tokens| submit(&queue, 0, tokens)).into();
        let leaves = submit(&queue, 0, 1);
        let mut backend = Countdown {
            slots: 2,
            ..Countdown::default()
        };
        queue.close();
        drop(leaves);
        run(&mut backend, &queue);
        // The second is over after a step, and the third after the next one; ids are given anew.
        assert_eq!((backend.steps, backend.released.len()), (3, 3));
        assert!(backend.released.is_sorted_by(|one, other| one != other));
        for (events, tokens) in jobs.iter_mut().zip([3, 1, 1]) {
            assert_eq!(received(events).len(), tokens + 1);
        }
    }

    #[test]
    fn room_that_never_comes_is_an_error_and_no_hang() {
        let queue = Queue::new(4);
        let mut events = submit(&queue, 0, 1);
        run_all(&queue, 0);
        let received = received(&mut events);
        assert!(matches!(received[..], [Event::Failed(_)]), "{received:?}");
    }

    #[test]
    fn a_client_that_left_costs_no_step() {
        let queue = Queue::new(4);
        drop(submit(&queue, 0, 50));
        let mut stays = submit(&queue, 0, 2);
        let backend = run_all(&queue, 1);
        assert_eq!(backend.steps, 2);
        assert_eq!(received(&mut stays).len(), 3);
    }
}
