//! What leader and workers tell each other about neighbours, and how a worker does as it is told.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::{Duration, Instant};

use super::policy::Order;
use crate::team::barrier::OwnLine;

/// Whoever waits so long waits for a thread without a CPU, or for much work: the scheduler's turns are longer, and
/// parts of the next token are shorter.
const LONG_WAIT: Duration = Duration::from_millis(1);

/// A worker that shares its CPU gives it away after so long: the scheduler's shortest turns are longer.
const TURN: Duration = Duration::from_micros(700);

/// A worker that rests looks so often whether it still has to.
const REST_SLICE: Duration = Duration::from_millis(10);

/// And after so long, whatever it was told: the leader may have gone away.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// What leader and workers tell each other.
#[derive(Debug)]
pub(in crate::team) struct Crowd {
    /// Somebody has waited long.
    suspected: OwnLine<AtomicBool>,
    /// Workers that do other than stay.
    moved: OwnLine<AtomicU32>,
    workers: Box<[OwnLine<Worker>]>,
}

#[derive(Debug, Default)]
struct Worker {
    /// An [`Order`], which only the leader writes.
    order: AtomicU32,
    /// Whether it has given its CPU away.
    away: AtomicBool,
}

/// Since when a worker has had its CPU.
#[derive(Debug, Default)]
pub(in crate::team) struct Turn(Option<Instant>);

impl Crowd {
    /// For so many workers, all of which stay.
    pub(in crate::team) fn new(workers: usize) -> Crowd {
        Crowd {
            suspected: OwnLine::default(),
            moved: OwnLine::default(),
            workers: (0..workers).map(|_| OwnLine::default()).collect(),
        }
    }

    /// A member has waited so long for others.
    pub(in crate::team) fn note_wait(&self, waited: Duration) {
        if waited >= LONG_WAIT && !self.suspected.0.load(Relaxed) {
            self.suspected.0.store(true, Relaxed);
        }
    }

    /// Whether somebody has waited long, or neighbours were there at the last look.
    pub(super) fn is_suspected(&self) -> bool {
        self.suspected.0.load(Relaxed)
    }

    /// Nobody is suspected any more.
    pub(super) fn clear(&self) {
        self.suspected.0.store(false, Relaxed);
    }

    /// Whether any worker is told to share its CPU or to rest.
    pub(in crate::team) fn anyone_makes_room(&self) -> bool {
        self.moved.0.load(Relaxed) != 0
    }

    /// Whether this worker is.
    pub(in crate::team) fn is_away(&self, worker: usize) -> bool {
        self.workers[worker].0.away.load(Relaxed)
    }

    /// Between two regions, on the worker's thread: does as it is told.
    pub(in crate::team) fn make_room(&self, worker: usize, turn: &mut Turn) {
        if !self.anyone_makes_room() {
            return;
        }
        let own = &self.workers[worker].0;
        let leave = |give_away: &dyn Fn()| {
            own.away.store(true, Relaxed);
            give_away();
            own.away.store(false, Relaxed);
        };
        match Order::from_number(own.order.load(Relaxed)) {
            Order::Stay => turn.0 = None,
            Order::Share => {
                let now = Instant::now();
                let since = *turn.0.get_or_insert(now);
                if now.duration_since(since) >= TURN {
                    leave(&std::thread::yield_now);
                    turn.0 = Some(Instant::now());
                }
            }
            Order::Rest => {
                let began = Instant::now();
                let rests = || {
                    Order::from_number(own.order.load(Relaxed)) == Order::Rest
                        && began.elapsed() < LONGEST_REST
                };
                leave(&|| {
                    while rests() {
                        std::thread::park_timeout(REST_SLICE);
                    }
                });
                turn.0 = None;
            }
        }
    }

    /// Ends all rests: workers come once they are unparked.
    pub(in crate::team) fn call_back(&self) {
        for worker in &self.workers {
            let order = &worker.0.order;
            if Order::from_number(order.load(Relaxed)) == Order::Rest {
                order.store(Order::Share as u32, Relaxed);
            }
        }
    }

    /// Tells all workers what to do from now on.
    pub(in crate::team) fn tell(&self, orders: &[Order]) {
        for (worker, order) in self.workers.iter().zip(orders) {
            worker.0.order.store(*order as u32, Relaxed);
        }
        let moved = orders.iter().filter(|order| **order != Order::Stay).count();
        self.moved.0.store(moved as u32, Relaxed);
    }
}
