//! What workers do where neighbours share the team's CPUs: plain values, decided by how much of the time each member
//! was ready to run and did not.

use std::time::Duration;

/// What a worker does between two regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(in crate::team) enum Order {
    /// It waits for the next one.
    Stay = 0,
    /// It gives its CPU away now and then.
    Share = 1,
    /// It sleeps until it is told otherwise.
    Rest = 2,
}

impl Order {
    /// The order of that number.
    pub(super) fn from_number(number: u32) -> Order {
        match number {
            0 => Order::Stay,
            1 => Order::Share,
            _ => Order::Rest,
        }
    }
}

/// From this part of its time on, a thread that is kept waiting has a neighbour on its CPU.
const CROWDED: f64 = 0.05;
/// From this part on, the leader's neighbour is worth a worker's rest: all wait for the leader.
const LEADER_CROWDED: f64 = 0.1;
/// In so many looks in a row; one may be a chance.
const LEADER_LOOKS: u32 = 2;
/// Who was left alone in so many looks in a row has no neighbour any more.
const QUIET_LOOKS: u32 = 5;
/// First and longest rest. A neighbour that moves away from the leader does so within a few milliseconds; one that
/// does not, because there are more of them than CPUs, may leave the leader better off without the worker.
const RESTS: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(1600)];
/// What a rest is longer than the one before that helped.
const LENGTHENED: u32 = 4;
/// A rest helps unless it makes less than this part of the regions: a look is short, and neighbours come in bursts.
const HELPS: f64 = 0.8;
/// Pauses between rests that did not help, first and longest: a neighbour that is pinned does not move.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(32)];

/// What others may do for a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::team) struct Peers {
    /// Some member of its node does its part while it is away.
    pub(in crate::team) any: bool,
    /// The leader is one of them.
    pub(in crate::team) leader: bool,
}

/// What was seen between two looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'s> {
    /// The part of the time for which each member was kept waiting, the leader first.
    pub(super) off: &'s [f64],
    /// The time.
    pub(super) passed: Duration,
    /// Regions that were done.
    pub(super) regions: u32,
}

/// What is decided from look to look.
#[derive(Debug)]
pub(super) struct Policy {
    peers: Vec<Peers>,
    /// By worker, the looks that have yet to find it undisturbed before it stays.
    shares: Vec<u32>,
    /// Looks in a row that found the leader crowded, and left alone.
    crowded: u32,
    quiet: u32,
    /// Regions a second while the leader was crowded and nobody rested.
    awake: f64,
    resting: Option<Rest>,
    /// The next rest.
    rest: Duration,
    /// No rest for so long, and the pause after the next one that does not help.
    pause: Duration,
    next_pause: Duration,
}

#[derive(Debug)]
struct Rest {
    worker: usize,
    left: Duration,
    regions: u32,
    time: Duration,
}

impl Policy {
    /// For workers with these peers.
    pub(super) fn new(peers: Vec<Peers>) -> Policy {
        Policy {
            shares: vec![0; peers.len()],
            peers,
            crowded: 0,
            quiet: QUIET_LOOKS,
            awake: 0.0,
            resting: None,
            rest: RESTS[0],
            pause: Duration::ZERO,
            next_pause: PAUSES[0],
        }
    }

    /// What each worker does from now on. All stay where nobody was kept waiting for some looks.
    pub(super) fn decide(&mut self, seen: Seen<'_>) -> Vec<Order> {
        let (leader, workers) = seen.off.split_first().expect("a team has a leader");
        for ((looks, off), peers) in self.shares.iter_mut().zip(workers).zip(&self.peers) {
            *looks = match *off >= CROWDED && peers.any {
                true => QUIET_LOOKS,
                false => looks.saturating_sub(1),
            };
        }
        let is_crowded = *leader >= LEADER_CROWDED;
        self.crowded = if is_crowded { self.crowded + 1 } else { 0 };
        self.quiet = if is_crowded { 0 } else { self.quiet + 1 };
        self.pause = self.pause.saturating_sub(seen.passed);
        if self.resting.is_some() {
            self.go_on_resting(seen);
        } else if self.crowded >= LEADER_LOOKS {
            self.awake = f64::from(seen.regions) / seen.passed.as_secs_f64().max(1e-9);
            if self.pause.is_zero() {
                self.begin_rest(workers);
            }
        } else if self.quiet >= QUIET_LOOKS {
            (self.rest, self.next_pause) = (RESTS[0], PAUSES[0]);
        }
        let mut orders: Vec<Order> = self.shares.iter().map(|looks| order(*looks)).collect();
        if let Some(rest) = &self.resting {
            orders[rest.worker] = Order::Rest;
        }
        orders
    }

    /// The worker that loses most has least to give, and the last one is as good as any.
    fn begin_rest(&mut self, off: &[f64]) {
        let near = (0..off.len()).filter(|worker| self.peers[*worker].leader);
        let most = near.max_by(|a, b| off[*a].total_cmp(&off[*b]));
        self.resting = most.map(|worker| Rest {
            worker,
            left: self.rest,
            regions: 0,
            time: Duration::ZERO,
        });
    }

    /// Ends the rest when it is over, or when the leader has been left alone for a while.
    fn go_on_resting(&mut self, seen: Seen<'_>) {
        let Some(rest) = &mut self.resting else {
            return;
        };
        // It cannot be kept waiting while it sleeps, which says nothing of its CPU.
        self.shares[rest.worker] = QUIET_LOOKS;
        rest.left = rest.left.saturating_sub(seen.passed);
        rest.regions += seen.regions;
        rest.time += seen.passed;
        if !rest.left.is_zero() && self.quiet < QUIET_LOOKS {
            return;
        }
        let rate = f64::from(rest.regions) / rest.time.as_secs_f64().max(1e-9);
        if rate > HELPS * self.awake {
            self.rest = (LENGTHENED * self.rest).min(RESTS[1]);
            self.next_pause = PAUSES[0];
        } else {
            self.rest = RESTS[0];
            self.pause = self.next_pause;
            self.next_pause = (2 * self.next_pause).min(PAUSES[1]);
        }
        self.resting = None;
        self.crowded = 0;
    }

    /// Whether nobody shares or rests, nor did a while ago.
    pub(super) fn is_calm(&self) -> bool {
        self.resting.is_none()
            && self.quiet >= QUIET_LOOKS
            && self.shares.iter().all(|looks| *looks == 0)
    }
}

fn order(looks: u32) -> Order {
    match looks {
        0 => Order::Stay,
        _ => Order::Share,
    }
}

#[cfg(test)]
mod tests {
    use super::Order::{Rest, Share, Stay};
    use super::*;

    const LOOK: Duration = Duration::from_millis(20);
    const NEAR: Peers = Peers {
        any: true,
        leader: true,
    };

    /// Looks that find the same; the orders after the last.
    fn after(policy: &mut Policy, looks: u32, off: &[f64], regions: u32) -> Vec<Order> {
        let mut orders = Vec::new();
        for _ in 0..looks {
            orders = policy.decide(Seen {
                off,
                passed: LOOK,
                regions,
            });
        }
        orders
    }

    #[test]
    fn a_worker_that_is_kept_waiting_shares_until_its_neighbour_is_gone() {
        let mut policy = Policy::new(vec![NEAR; 3]);
        assert!(policy.is_calm());
        let orders = after(&mut policy, 1, &[0.0, 0.01, 0.5, 0.04], 9);
        assert_eq!(orders, [Stay, Share, Stay]);
        let orders = after(&mut policy, QUIET_LOOKS - 1, &[0.0; 4], 9);
        assert_eq!(orders, [Stay, Share, Stay]);
        assert!(!policy.is_calm());
        assert_eq!(after(&mut policy, 1, &[0.0; 4], 9), [Stay; 3]);
        assert!(policy.is_calm());
    }

    #[test]
    fn who_has_nobody_to_do_its_part_neither_shares_nor_rests() {
        let alone = Peers {
            any: false,
            leader: false,
        };
        let far = Peers {
            any: true,
            leader: false,
        };
        let mut policy = Policy::new(vec![alone, far]);
        let orders = after(&mut policy, 9, &[0.5, 0.5, 0.5], 9);
        assert_eq!(orders, [Stay, Share]);
    }

    #[test]
    fn a_worker_rests_where_the_leader_is_kept_waiting_until_it_is_left_alone() {
        let mut policy = Policy::new(vec![NEAR; 2]);
        let orders = after(&mut policy, 1, &[0.4, 0.3, 0.1], 9);
        assert_eq!(orders, [Share, Share], "once may be a chance");
        // The one that loses more; else the last.
        assert_eq!(after(&mut policy, 1, &[0.4, 0.3, 0.1], 9), [Rest, Share]);
        assert_eq!(after(&mut policy, QUIET_LOOKS - 1, &[0.0; 3], 20)[0], Rest);
        assert_eq!(after(&mut policy, 1, &[0.0; 3], 20), [Share, Stay]);
        assert_eq!(after(&mut policy, QUIET_LOOKS, &[0.0; 3], 20), [Stay; 2]);
        assert!(policy.is_calm());
        let mut other = Policy::new(vec![NEAR; 2]);
        assert_eq!(after(&mut other, 2, &[0.4, 0.0, 0.0], 9), [Stay, Rest]);
    }

    /// How many of so many looks find the worker at rest, if it makes so many regions a look awake and at rest.
    fn looks_at_rest(awake: u32, resting: u32) -> u32 {
        let (mut policy, mut rests) = (Policy::new(vec![NEAR]), 0);
        let mut order = Stay;
        for _ in 0..1000 {
            let regions = if order == Rest { resting } else { awake };
            order = after(&mut policy, 1, &[0.5, 0.0], regions)[0];
            rests += u32::from(order == Rest);
        }
        rests
    }

    #[test]
    fn a_worker_rests_on_where_that_helps_and_seldom_where_it_does_not() {
        let (helps, does_not) = (looks_at_rest(5, 7), looks_at_rest(7, 5));
        assert!(helps > 900, "{helps} of 1000");
        assert!(does_not < 50, "{does_not} of 1000");
    }

    #[test]
    fn a_leader_without_workers_has_nobody_to_tell() {
        assert_eq!(after(&mut Policy::new(Vec::new()), 3, &[0.9], 9), []);
    }

    #[test]
    fn orders_are_what_their_numbers_say() {
        for order in [Stay, Share, Rest] {
            assert_eq!(Order::from_number(order as u32), order);
        }
    }
}
