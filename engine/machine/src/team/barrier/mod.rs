//! How the members of a team wait for each other: the leader opens gates, one per NUMA node, where the
//! workers wait for a region, and parts that are done are counted over a tree of counters whose last one tells the
//! leader. Whoever takes a part first does it, so that a part is not left waiting for a worker that has no CPU.
//!
//! These files are built twice: here, and on the parts of a model that tries every order of events
//! (`tests/barrier_model`). So they take atomics, futex and clock from `sync`, and their tests are
//! outside, in `team/tests`.

mod arrival;
mod claims;
mod gate;
pub(crate) mod layout;
mod own_line;

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::sync;
use arrival::Arrival;
use claims::Claims;
use gate::{Gate, Patience};
use layout::{Layout, Seat};
pub(crate) use own_line::OwnLine;
use sync::{AtomicBool, AtomicU32};

/// What a leader and its workers meet at. Regions have numbers, each one more than the last, wrapping;
/// 0 is before the first. `J` is what there is to do in a region. A region has a part for each worker, which has
/// the worker's number, counted from 0 without the leader.
#[derive(Debug)]
pub(crate) struct Barrier<J> {
    seats: Box<[Seat]>,
    /// Opened by the leader, all at once, with the number and the job of a region.
    gates: Box<[Gate<Option<J>>]>,
    claims: Claims,
    /// The last region whose parts any member may do.
    for_all: OwnLine<AtomicU32>,
    /// Set before the gates open for the last time.
    stopped: OwnLine<AtomicBool>,
    arrival: Arrival,
    worker_patience: Patience,
    leader_patience: Patience,
}

/// Who may do the parts of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doers {
    /// Any member.
    All,
    /// Each worker its own: what is done belongs to the thread or to its CPU.
    Own,
}

impl<J: Copy> Barrier<J> {
    /// All sleep at once while they wait, until told otherwise.
    pub(crate) fn new(layout: Layout) -> Barrier<J> {
        Barrier {
            gates: (0..layout.gates).map(|_| Gate::new(None)).collect(),
            claims: Claims::new(layout.seats.len()),
            for_all: OwnLine::default(),
            stopped: OwnLine::default(),
            arrival: Arrival::new(&layout.steps),
            seats: layout.seats.into(),
            worker_patience: Patience::default(),
            leader_patience: Patience::default(),
        }
    }

    /// How long members spin from now on before they sleep.
    pub(crate) fn set_patience(&self, leader: Duration, workers: Duration) {
        self.leader_patience.set(leader);
        self.worker_patience.set(workers);
    }

    /// Wakes workers that sleep, to wait as patiently as they are told to now.
    pub(crate) fn stir(&self) {
        Gate::stir_all(&self.gates);
    }

    /// Starts region number `region`.
    ///
    /// # Safety
    /// Only the leader calls this, and it has waited for the region before. What `job` refers to must
    /// live until [`Barrier::wait_for_parts`] returns for this one.
    pub(crate) unsafe fn release(&self, region: u32, job: J, doers: Doers) {
        if doers == Doers::All {
            // Published by the gates.
            self.for_all.0.store(region, Relaxed);
        }
        // SAFETY: all parts of the region before were arrived at, and who reads the payload does so before that.
        unsafe { Gate::open_all(&self.gates, region, Some(job)) };
    }

    /// Tells all workers that there are no more regions; `region` is the number after the last.
    ///
    /// # Safety
    /// As [`Barrier::release`].
    pub(crate) unsafe fn stop(&self, region: u32) {
        self.stopped.0.store(true, Relaxed);
        // SAFETY: as in `release`.
        unsafe { Gate::open_all(&self.gates, region, None) };
    }

    /// Waits until every part of `region`, the one after `previous`, is arrived at; all that was written there is
    /// then visible to the leader, and to all from the next release on. `meanwhile` is called now and then with the
    /// time that it has waited, and says whether it did something.
    pub(crate) fn wait_for_parts(
        &self,
        region: u32,
        previous: u32,
        meanwhile: impl FnMut(Duration) -> bool,
    ) {
        if !self.seats.is_empty() {
            self.arrival
                .wait_for_all(region, previous, &self.leader_patience, meanwhile);
        }
    }

    /// Waits, on the thread of a worker, for a region after `seen`, the last one that it has seen; 0 at first.
    /// Returns the newest, which need not be the next one where others did this worker's part, or `None` if there
    /// are no more. `meanwhile` is as in [`Barrier::wait_for_parts`].
    pub(crate) fn next_region(
        &self,
        worker: usize,
        seen: u32,
        meanwhile: impl FnMut(Duration) -> bool,
    ) -> Option<u32> {
        let gate = &self.gates[self.seats[worker].gate];
        let region = gate.wait_past(seen, &self.worker_patience, meanwhile);
        (!self.stopped.0.load(Relaxed)).then_some(region)
    }

    /// Takes `part` of `region` for a worker; `None` if somebody else has it, which is so of a region that is over.
    ///
    /// # Safety
    /// The worker was given this region by [`Barrier::next_region`], last of all. It arrives for the part once it
    /// is done with the job, and not before.
    pub(crate) unsafe fn take(&self, worker: usize, part: usize, region: u32) -> Option<J> {
        if !self.claims.take(part, region) {
            return None;
        }
        // SAFETY: the worker has seen the number of the region at this gate. The payload is not written again until
        // the region is over, which it is not before the part that was just taken is arrived at.
        unsafe { self.gates[self.seats[worker].gate].payload() }
    }

    /// Takes a part of `region` that is free and may be done by others, for a worker that waits behind it: one of
    /// a worker of its node, whose memory is as near to it.
    ///
    /// # Safety
    /// As [`Barrier::take`].
    pub(crate) unsafe fn take_near(&self, worker: usize, region: u32) -> Option<(usize, J)> {
        let gate = self.seats[worker].gate;
        let near = |part: &usize| self.seats[*part].gate == gate;
        let mut parts = (0..self.seats.len()).filter(near);
        // SAFETY: the caller's promises.
        let take = |part| unsafe { self.take(worker, part, region) }.map(|job| (part, job));
        self.is_for_all(region)
            .then(|| parts.find_map(take))
            .flatten()
    }

    /// Takes a part of `region` that is free and may be done by others, for the leader, who arrives for it
    /// afterwards: one that is `wanted`, of a worker at `gate`.
    pub(crate) fn take_at(
        &self,
        gate: Option<usize>,
        region: u32,
        wanted: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let near = |part: &usize| Some(self.seats[*part].gate) == gate && wanted(*part);
        let mut parts = (0..self.seats.len()).filter(near);
        self.is_for_all(region)
            .then(|| parts.find(|part| self.claims.take(*part, region)))
            .flatten()
    }

    /// Whether any member may do the parts of `region`. Who asks has seen its number; if it is over by now, there
    /// is nothing to take.
    fn is_for_all(&self, region: u32) -> bool {
        self.for_all.0.load(Relaxed) == region
    }

    /// A part that was taken is done.
    pub(crate) fn arrive(&self, part: usize, region: u32) {
        self.arrival.arrive(self.seats[part].step, region);
    }
}
