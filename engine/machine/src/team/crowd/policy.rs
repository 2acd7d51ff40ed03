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
/// A neighbour that came back less often than this many looks is gone.
const QUIET_LOOKS: u32 = 5;
/// First and longest rest. A neighbour that moves away from the leader does so within a few milliseconds; one that
/// does not, because there are more of them than CPUs, leaves the leader better off without the worker.
const RESTS: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(1600)];
/// What a rest that did not help is lengthened by.
const LENGTHENED: u32 = 4;

/// What is decided from look to look.
#[derive(Debug)]
pub(super) struct Policy {
    /// By worker, the looks that have yet to find it undisturbed before it stays.
    shares: Vec<u32>,
    /// Who rests, if a worker does, and how much of its rest is left.
    resting: Option<(usize, Duration)>,
    /// The next rest.
    rest: Duration,
    /// Looks that have yet to find the leader undisturbed before rests begin short again.
    disturbed: u32,
}

impl Policy {
    /// For so many workers.
    pub(super) fn new(workers: usize) -> Policy {
        Policy {
            shares: vec![0; workers],
            resting: None,
            rest: RESTS[0],
            disturbed: 0,
        }
    }

    /// What each worker does after a look that was `passed` after the one before. `off` is the part of that time for
    /// which each member was kept waiting, the leader first. All stay where nobody was for some looks.
    pub(super) fn decide(&mut self, off: &[f64], passed: Duration) -> Vec<Order> {
        let (leader, workers) = off.split_first().expect("a team has a leader");
        for (looks, off) in self.shares.iter_mut().zip(workers) {
            *looks = match *off >= CROWDED {
                true => QUIET_LOOKS,
                false => looks.saturating_sub(1),
            };
        }
        if let Some((worker, left)) = self.resting {
            // It cannot be kept waiting while it sleeps, which says nothing of its CPU.
            self.shares[worker] = QUIET_LOOKS;
            let left = left.saturating_sub(passed);
            self.resting = (!left.is_zero()).then_some((worker, left));
        }
        if *leader < LEADER_CROWDED {
            self.disturbed = self.disturbed.saturating_sub(1);
            if self.disturbed == 0 {
                self.rest = RESTS[0];
            }
        } else if self.resting.is_none() {
            // The worker that loses most has least to give, and the last one is as good as any.
            let most = (0..workers.len()).max_by(|a, b| workers[*a].total_cmp(&workers[*b]));
            self.resting = most.map(|worker| (worker, self.rest));
            self.rest = (LENGTHENED * self.rest).min(RESTS[1]);
            self.disturbed = QUIET_LOOKS;
        }
        let mut orders: Vec<Order> = self.shares.iter().map(|looks| order(*looks)).collect();
        if let Some((worker, _)) = self.resting {
            orders[worker] = Order::Rest;
        }
        orders
    }

    /// Whether nobody shares or rests, nor did a while ago.
    pub(super) fn is_calm(&self) -> bool {
        self.resting.is_none() && self.disturbed == 0 && self.shares.iter().all(|looks| *looks == 0)
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

    /// Looks that find the same; the orders after the last.
    fn after(policy: &mut Policy, looks: u32, off: &[f64]) -> Vec<Order> {
        let mut orders = Vec::new();
        for _ in 0..looks {
            orders = policy.decide(off, LOOK);
        }
        orders
    }

    #[test]
    fn a_worker_that_is_kept_waiting_shares_until_its_neighbour_is_gone() {
        let mut policy = Policy::new(3);
        assert!(policy.is_calm());
        assert_eq!(
            after(&mut policy, 1, &[0.0, 0.01, 0.5, 0.04]),
            [Stay, Share, Stay]
        );
        assert_eq!(
            after(&mut policy, QUIET_LOOKS - 1, &[0.0; 4]),
            [Stay, Share, Stay]
        );
        assert!(!policy.is_calm());
        assert_eq!(after(&mut policy, 1, &[0.0; 4]), [Stay; 3]);
        assert!(policy.is_calm());
    }

    #[test]
    fn a_worker_rests_where_the_leader_is_kept_waiting_and_shares_afterwards() {
        let mut policy = Policy::new(2);
        // The one that loses more; else the last.
        assert_eq!(after(&mut policy, 1, &[0.4, 0.3, 0.1]), [Rest, Share]);
        let looks = (RESTS[0].as_millis() / LOOK.as_millis()) as u32;
        assert_eq!(after(&mut policy, looks - 1, &[0.0; 3])[0], Rest);
        assert_eq!(after(&mut policy, 1, &[0.0; 3]), [Share, Stay]);
        assert_eq!(after(&mut policy, QUIET_LOOKS, &[0.0; 3]), [Stay; 2]);
        assert!(policy.is_calm());
        assert_eq!(
            after(&mut Policy::new(2), 1, &[0.4, 0.0, 0.0]),
            [Stay, Rest]
        );
    }

    #[test]
    fn rests_that_do_not_help_become_longer_and_begin_short_again() {
        let mut policy = Policy::new(1);
        let rest = |policy: &mut Policy| {
            let mut looks = 0;
            while after(policy, 1, &[0.5, 0.0]) == [Rest] && looks < 1000 {
                looks += 1;
                if policy.resting.is_none() {
                    break;
                }
            }
            policy.rest
        };
        let lengths: Vec<Duration> = (0..4).map(|_| rest(&mut policy)).collect();
        assert!(lengths.is_sorted() && lengths[3] == RESTS[1], "{lengths:?}");
        after(&mut policy, 1000, &[0.0, 0.0]);
        assert_eq!(policy.rest, RESTS[0]);
        assert!(policy.is_calm());
    }

    #[test]
    fn a_leader_without_workers_has_nobody_to_tell() {
        assert_eq!(after(&mut Policy::new(0), 3, &[0.9]), []);
    }

    #[test]
    fn orders_are_what_their_numbers_say() {
        for order in [Stay, Share, Rest] {
            assert_eq!(Order::from_number(order as u32), order);
        }
    }
}
