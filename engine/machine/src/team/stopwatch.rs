//! Where the time of a team's regions goes: what each member's parts took, by kind of work, and how
//! long the regions were in all. What is left of a region when a member's own work is taken away is
//! waiting, where no other member did its part.
//!
//! A team is timed only while a stopwatch is handed to [`crate::Team::enter_timed`]; else a region
//! asks once whether there is one. The clock is handed in too.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::barrier::OwnLine;

/// Kinds of work that are told apart; what they mean is the caller's business.
pub const KINDS: usize = 3;

/// Time since any fixed moment; must not run backwards on any thread.
pub type Clock<'c> = &'c (dyn Fn() -> Duration + Sync);

/// Sums times while a team runs; read with [`Stopwatch::take`].
pub struct Stopwatch<'c> {
    clock: Clock<'c>,
    members: Box<[OwnLine<Laps>]>,
    /// Length of all regions, nanoseconds.
    regions: AtomicU64,
}

/// Times of one member's parts, nanoseconds. Only who does the part writes them during a region; the barrier behind
/// the region shows them to the leader, so no ordering is needed here.
#[derive(Debug, Default)]
struct Laps {
    last: AtomicU64,
    kinds: [AtomicU64; KINDS],
}

/// What a stopwatch has summed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TeamTimes {
    /// Length of all regions: what the leader saw pass from opening to end.
    pub regions: Duration,
    /// Each member's own time by kind.
    pub own: Vec<[Duration; KINDS]>,
}

impl<'c> Stopwatch<'c> {
    /// For teams of at most `members`.
    pub fn new(clock: Clock<'c>, members: usize) -> Self {
        Self {
            clock,
            members: (0..members).map(|_| OwnLine::default()).collect(),
            regions: AtomicU64::new(0),
        }
    }

    /// Members that it has room for.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// Counts what `member` did since the region began, or since its last lap, as work of `kind`: for
    /// regions that do one thing after another. What follows counts as the region's own kind.
    ///
    /// # Panics
    /// If there is no such member or kind.
    pub fn lap(&self, member: usize, kind: usize) {
        let laps = &self.members[member].0;
        let now = self.now();
        let spent = now.saturating_sub(laps.last.load(Relaxed));
        add(&laps.kinds[kind], spent);
        laps.last.store(now, Relaxed);
    }

    /// What the first `members` spent since the last call; starts again from zero.
    ///
    /// # Panics
    /// If it was made for fewer.
    pub fn take(&self, members: usize) -> TeamTimes {
        let nanoseconds = |sum: &AtomicU64| Duration::from_nanos(sum.swap(0, Relaxed));
        let own =
            |member: &OwnLine<Laps>| std::array::from_fn(|kind| nanoseconds(&member.0.kinds[kind]));
        TeamTimes {
            regions: nanoseconds(&self.regions),
            own: self.members[..members].iter().map(own).collect(),
        }
    }

    /// Runs one whole region, on the leader's thread.
    pub(super) fn region(&self, run: impl FnOnce()) {
        let began = self.now();
        run();
        add(&self.regions, self.now().saturating_sub(began));
    }

    /// Runs one member's part of a region, on its thread.
    pub(super) fn work(&self, member: usize, kind: usize, work: impl FnOnce()) {
        self.members[member].0.last.store(self.now(), Relaxed);
        work();
        self.lap(member, kind);
    }

    fn now(&self) -> u64 {
        u64::try_from((self.clock)().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Each sum has one writer at a time, so that load and store need not be one operation.
fn add(sum: &AtomicU64, nanoseconds: u64) {
    sum.store(sum.load(Relaxed).saturating_add(nanoseconds), Relaxed);
}

impl fmt::Debug for Stopwatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopwatch")
            .field("members", &self.members)
            .field("regions", &self.regions)
            .finish_non_exhaustive()
    }
}
