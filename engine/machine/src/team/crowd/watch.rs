//! The leader's eye on the threads of its team: how long each was ready to run and did not.

use std::time::{Duration, Instant};

use super::policy::{Order, Peers, Policy, Seen};
use super::state::Crowd;
use crate::cpu_time::{own_thread, run_delay};

/// Between two looks, where there are neighbours: some turns of the scheduler.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A first look older than this says nothing of now.
const TOO_OLD: Duration = Duration::from_millis(60);
/// Between two suspicions that come to nothing, first and at most: long prompts make workers wait too, and a look
/// reads a file for each thread.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// What the leader remembers from look to look.
#[derive(Debug)]
pub(in crate::team) struct Watch {
    /// The system's numbers of the workers' threads.
    threads: Vec<u32>,
    peers: Vec<Peers>,
    policy: Policy,
    last: Option<Look>,
    /// No look before this.
    next: Option<Instant>,
    pause: Duration,
    /// Since the last look.
    regions: u32,
    /// The system does not count how long threads wait.
    is_blind: bool,
}

#[derive(Debug)]
struct Look {
    at: Instant,
    /// The thread that led, which need not be the one of last time.
    leader: u32,
    /// By member, the leader first, nanoseconds; `None` where the system does not count.
    delays: Vec<Option<u64>>,
}

impl Watch {
    /// For workers with these threads and peers.
    pub(in crate::team) fn new(threads: Vec<u32>, peers: Vec<Peers>) -> Watch {
        Watch {
            policy: Policy::new(peers.clone()),
            threads,
            peers,
            last: None,
            next: None,
            pause: PAUSES[0],
            regions: 0,
            is_blind: false,
        }
    }

    /// After a region, on the leader's thread: if somebody waited long, or neighbours were there, looks now and then,
    /// and tells workers what to do.
    pub(in crate::team) fn look(&mut self, crowd: &Crowd) {
        if self.is_blind || !crowd.is_suspected() {
            return;
        }
        self.regions = self.regions.saturating_add(1);
        let now = Instant::now();
        if self.next.is_some_and(|next| now < next) {
            return;
        }
        let look = self.seen(now);
        self.is_blind = look.delays.iter().all(Option::is_none);
        self.next = Some(now + LOOK_EVERY);
        let regions = std::mem::take(&mut self.regions);
        let last = self.last.replace(look);
        let (Some(last), Some(look)) = (last, &self.last) else {
            return;
        };
        let passed = now.duration_since(last.at);
        if passed > TOO_OLD {
            // Nothing is known of the time between, so what was told then does not stand.
            self.policy = Policy::new(self.peers.clone());
            crowd.tell(&vec![Order::Stay; self.threads.len()]);
            return;
        }
        let mut off = parts(&last.delays, &look.delays, passed);
        if last.leader != look.leader {
            off[0] = 0.0;
        }
        let seen = Seen {
            off: &off,
            passed,
            regions,
        };
        crowd.tell(&self.policy.decide(seen));
        if self.policy.is_calm() {
            crowd.clear();
            self.last = None;
            self.next = Some(now + self.pause);
            self.pause = (2 * self.pause).min(PAUSES[1]);
        } else {
            self.pause = PAUSES[0];
        }
    }

    fn seen(&self, at: Instant) -> Look {
        let leader = own_thread();
        let members = std::iter::once(&leader).chain(&self.threads);
        Look {
            at,
            leader,
            delays: members.map(|thread| run_delay(*thread)).collect(),
        }
    }
}

/// The part of the time for which each member was kept waiting.
fn parts(before: &[Option<u64>], after: &[Option<u64>], passed: Duration) -> Vec<f64> {
    let part = |(before, after): (&Option<u64>, &Option<u64>)| match (before, after) {
        (Some(before), Some(after)) => {
            after.saturating_sub(*before) as f64 / passed.as_nanos().max(1) as f64
        }
        _ => 0.0,
    };
    before.iter().zip(after).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_does_not_count_is_no_delay() {
        let passed = Duration::from_millis(20);
        let before = [Some(5_000_000), None, Some(3), Some(9)];
        let after = [Some(15_000_000), Some(1), None, Some(8)];
        assert_eq!(parts(&before, &after, passed), [0.5, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn nobody_looks_without_a_suspicion_and_one_that_comes_to_nothing_is_dropped() {
        let peers = Peers {
            any: true,
            leader: true,
        };
        let (crowd, mut watch) = (Crowd::new(1), Watch::new(vec![0], vec![peers]));
        watch.look(&crowd);
        assert!(watch.last.is_none());
        crowd.note_wait(Duration::from_micros(900));
        assert!(!crowd.is_suspected());
        crowd.note_wait(Duration::from_millis(2));
        watch.look(&crowd);
        if watch.is_blind {
            println!("SKIPPED: this kernel does not count how long threads wait");
            return;
        }
        assert!(crowd.is_suspected() && watch.last.is_some());
        // There is no such thread, so it is never kept waiting; the leader may be, on a busy host.
        for _ in 0..1000 {
            std::thread::sleep(LOOK_EVERY);
            watch.look(&crowd);
            if !crowd.is_suspected() {
                break;
            }
        }
        assert!(!crowd.is_suspected() && !crowd.anyone_makes_room());
    }
}
