//! Sends requests when they are due and hands on what is known about each when it has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::arrivals::{Arrivals, Poisson};
use super::client::{Client, Connect};
use super::prompts::{Prompts, Wish, body};
use super::record::{LATE_SECONDS, Record, Timing};

/// A failed request keeps its place under closed arrivals for so long: a server that refuses at once
/// is not to be flooded.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);
/// How often Ctrl-C is looked for.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(50);
/// Ended requests that wait to be counted.
const UNCOUNTED: usize = 1024;

/// What is sent, and when.
#[derive(Clone, Debug)]
pub struct Load {
    /// Arrivals.
    pub arrivals: Arrivals,
    /// Most requests.
    pub requests: u64,
    /// Nothing is sent after that many seconds.
    pub seconds: Option<f64>,
    /// What every request says.
    pub wish: Wish,
    /// Prompts by number of the request.
    pub prompts: Prompts,
    /// Seed of open arrivals.
    pub seed: u64,
}

/// How sending ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Driven {
    /// Arrivals that were due within the time and not sent in it, since too many were under way.
    pub unsent: u64,
    /// Ctrl-C: what was under way was given up.
    pub interrupted: bool,
}

struct Shared<C> {
    client: Client<C>,
    load: Load,
    started: Instant,
    /// Number of the request after the last that had its turn.
    next: AtomicU64,
    unsent: AtomicU64,
}

/// Sends all of `load`; `take` gets each request when it has ended, in that order.
///
/// # Errors
/// Those of `take`, after which nothing more is sent.
pub async fn drive<C: Connect>(
    client: Client<C>,
    load: Load,
    stop: &AtomicBool,
    take: &mut dyn FnMut(Record) -> anyhow::Result<()>,
) -> anyhow::Result<Driven> {
    let arrivals = load.arrivals;
    let shared = Arc::new(Shared {
        client,
        load,
        started: Instant::now(),
        next: AtomicU64::new(0),
        unsent: AtomicU64::new(0),
    });
    let (sender, mut records) = mpsc::channel(UNCOUNTED);
    // Dropped, it ends its tasks: on Ctrl-C and on errors nothing is left running.
    let mut tasks = JoinSet::new();
    match arrivals {
        Arrivals::Closed { concurrency } => {
            for _ in 0..concurrency {
                tasks.spawn(closed(shared.clone(), sender.clone()));
            }
        }
        Arrivals::Open {
            rate,
            max_in_flight,
        } => {
            let times = Poisson::new(rate, shared.load.seed);
            tasks.spawn(open(shared.clone(), sender.clone(), times, max_in_flight));
        }
    }
    drop(sender);
    let stopped = interrupted(stop);
    tokio::pin!(stopped);
    let mut driven = Driven::default();
    loop {
        tokio::select! {
            record = records.recv() => match record {
                Some(record) => take(record)?,
                None => break,
            },
            () = &mut stopped => {
                driven.interrupted = true;
                break;
            }
        }
    }
    driven.unsent = shared.unsent.load(Ordering::Relaxed);
    if driven.interrupted {
        driven.unsent += shared.waiting();
    }
    Ok(driven)
}

/// Returns when Ctrl-C was pressed.
pub async fn interrupted(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(INTERRUPT_INTERVAL).await;
    }
}

/// One of the places of closed arrivals: a request after the other.
async fn closed<C: Connect>(shared: Arc<Shared<C>>, sender: mpsc::Sender<Record>) {
    loop {
        let late = shared
            .load
            .seconds
            .is_some_and(|limit| shared.seconds() >= limit);
        if late {
            return;
        }
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        if index >= shared.load.requests {
            return;
        }
        let record = shared.request(index, None, false).await;
        let failed = record.outcome.is_err();
        if sender.send(record).await.is_err() {
            return;
        }
        if failed {
            tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
        }
    }
}

/// Sends at the given times, whatever became of the requests before.
async fn open<C: Connect>(
    shared: Arc<Shared<C>>,
    sender: mpsc::Sender<Record>,
    times: Poisson,
    max_in_flight: usize,
) {
    let limit = shared.load.seconds.unwrap_or(f64::INFINITY);
    let places = Arc::new(Semaphore::new(max_in_flight));
    let mut running = JoinSet::new();
    let times = times.take_while(|seconds| *seconds < limit);
    for (index, seconds) in (0..shared.load.requests).zip(times) {
        let due = shared.started + Duration::from_secs_f64(seconds);
        tokio::time::sleep_until(due).await;
        let held = places.available_permits() == 0;
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        shared.next.store(index + 1, Ordering::Relaxed);
        let now = shared.seconds();
        if now >= limit && now - seconds > LATE_SECONDS {
            shared.unsent.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        while running.try_join_next().is_some() {}
        let (shared, sender) = (shared.clone(), sender.clone());
        running.spawn(async move {
            let record = shared.request(index, Some(due), held).await;
            drop(place);
            // Nobody listens after an error or Ctrl-C.
            let _ = sender.send(record).await;
        });
    }
    running.join_all().await;
}

impl<C: Connect> Shared<C> {
    fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Arrivals that are overdue and have no place yet.
    fn waiting(&self) -> u64 {
        let Arrivals::Open { rate, .. } = self.load.arrivals else {
            return 0;
        };
        let limit = self.load.seconds.unwrap_or(f64::INFINITY);
        let until = limit.min(self.seconds() - LATE_SECONDS);
        let due = (0..self.load.requests)
            .zip(Poisson::new(rate, self.load.seed))
            .take_while(|(_, seconds)| *seconds < until)
            .count() as u64;
        due.saturating_sub(self.next.load(Ordering::Relaxed))
    }

    /// Sends one request. Its times count from `due`, or from now.
    async fn request(&self, index: u64, due: Option<Instant>, held: bool) -> Record {
        let wish = &self.load.wish;
        let body = body(wish, &self.load.prompts.at(index));
        let sent = Instant::now();
        let since = due.unwrap_or(sent);
        let answer = self.client.stream(wish.endpoint.path(), body, since).await;
        let of_run = |instant: Instant| (instant - self.started).as_secs_f64();
        Record {
            index,
            scheduled: of_run(since),
            sent: of_run(sent),
            ended: self.seconds(),
            held,
            outcome: answer.map(|answer| Timing::of(&answer)),
        }
    }
}
