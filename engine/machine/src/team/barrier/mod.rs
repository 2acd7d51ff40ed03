//! How the members of a team wait for each other: the leader opens gates, one per NUMA node, where the
//! workers wait for a region, and workers arrive over a tree of counters whose last one tells the leader.
//!
//! These files are built twice: here, and on the parts of a model that tries every order of events
//! (`tests/barrier_model`). So they take atomics, futex and clock from `sync`, and their tests are
//! outside, in `team/tests`.

mod arrival;
mod gate;
pub(crate) mod layout;
mod own_line;

use std::time::Duration;

use super::sync;
use arrival::Arrival;
use gate::{Gate, Patience};
use layout::{Layout, Seat};
pub(crate) use own_line::OwnLine;

/// What a leader and its workers meet at. Regions have numbers, each one more than the last, wrapping;
/// 0 is before the first. `J` is what there is to do in a region.
#[derive(Debug)]
pub(crate) struct Barrier<J> {
    seats: Box<[Seat]>,
    /// Opened by the leader, all at once, with the number and the job of a region; no job means that
    /// there are no more.
    gates: Box<[Gate<Option<J>>]>,
    arrival: Arrival,
    worker_patience: Patience,
    leader_patience: Patience,
}

impl<J: Copy> Barrier<J> {
    /// All sleep at once while they wait, until told otherwise.
    pub(crate) fn new(layout: Layout) -> Barrier<J> {
        Barrier {
            gates: (0..layout.gates).map(|_| Gate::new(None)).collect(),
            arrival: Arrival::new(&layout.steps),
            seats: layout.seats.into(),
            worker_patience: Patience::default(),
            leader_patience: Patience::default(),
        }
    }

    /// The seat of worker `worker`, counted from 0 without the leader.
    pub(crate) fn seat(&self, worker: usize) -> Seat {
        self.seats[worker]
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
    /// live until [`Barrier::wait_for_workers`] returns for this one.
    pub(crate) unsafe fn release(&self, region: u32, job: J) {
        // SAFETY: all workers arrived at the region before and read the payload before that.
        unsafe { Gate::open_all(&self.gates, region, Some(job)) };
    }

    /// Tells all workers that there are no more regions; `region` is the number after the last.
    ///
    /// # Safety
    /// As [`Barrier::release`].
    pub(crate) unsafe fn stop(&self, region: u32) {
        // SAFETY: as in `release`.
        unsafe { Gate::open_all(&self.gates, region, None) };
    }

    /// Waits until every worker has finished `region`, the one after `previous`; all that they wrote is
    /// then visible to the leader, and to all from the next release on.
    pub(crate) fn wait_for_workers(&self, region: u32, previous: u32) {
        if !self.seats.is_empty() {
            self.arrival
                .wait_for_all(region, previous, &self.leader_patience);
        }
    }

    /// Waits for the region after `seen`, the last one that this worker has seen; 0 at first. Returns
    /// its number and job, or `None` if there are no more.
    ///
    /// # Safety
    /// Only the worker in this seat calls this, and it has arrived at `seen`.
    pub(crate) unsafe fn next_region(&self, seat: Seat, seen: u32) -> Option<(u32, J)> {
        let gate = &self.gates[seat.gate];
        let region = gate.wait_past(seen, &self.worker_patience);
        // SAFETY: this number was just seen, and this worker has not arrived there yet.
        unsafe { gate.payload() }.map(|job| (region, job))
    }

    /// The worker in this seat has finished `region`; call once per region that [`Barrier::next_region`]
    /// gave.
    pub(crate) fn arrive(&self, seat: Seat, region: u32) {
        self.arrival.arrive(seat.step, region);
    }
}
