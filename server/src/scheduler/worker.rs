//! The loop of the one thread that drives the engine.

use std::time::Instant;

use super::events::EventSender;
use super::{Backend, Event, JobId, Queue};

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
        while live.len() < backend.slots().max(1) {
            let ticket = if live.is_empty() {
                queue.next()
            } else {
                queue.try_next()
            };
            let Some(mut ticket) = ticket else { break };
            next_id += 1;
            match backend.admit(next_id, ticket.job) {
                Ok(()) => live.push(Live {
                    id: next_id,
                    sender: ticket.sender,
                    finished: false,
                }),
                Err(error) => ticket.sender.send(Event::Failed(error)),
            }
        }
        if live.is_empty() {
            // `next` waits, so an empty house after it means closed; or an admission failed.
            if queue.is_closed() && queue.is_empty() {
                return;
            }
            continue;
        }
        release(backend, &mut live, |job| job.sender.is_cancelled());
        if !live.is_empty() {
            step(backend, &mut live);
        }
        release(backend, &mut live, |job| job.finished);
    }
}

fn step(backend: &mut dyn Backend, live: &mut [Live]) {
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
    use crate::scheduler::{BackendError, Events, Finish, FinishReason, JobLimits, ValidJob};

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
        fn slots(&self) -> usize {
            self.slots
        }

        fn admit(&mut self, id: JobId, job: ValidJob) -> Result<(), BackendError> {
            if job.prompt()[0] == REFUSED {
                return Err(BackendError("refused".into()));
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
    fn a_client_that_left_costs_no_step() {
        let queue = Queue::new(4);
        drop(submit(&queue, 0, 50));
        let mut stays = submit(&queue, 0, 2);
        let backend = run_all(&queue, 1);
        assert_eq!(backend.steps, 2);
        assert_eq!(received(&mut stays).len(), 3);
    }
}
