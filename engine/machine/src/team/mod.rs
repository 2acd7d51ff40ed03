//! The team: threads that are created and pinned once and then run one region after another, each on
//! its own part, meeting at a barrier. No queue, no allocation and no lock per region. A part whose worker has no CPU
//! now is done by another member, where the region allows it.

mod barrier;
mod crowd;
mod spec;
mod stopwatch;
mod sync;
#[cfg(test)]
mod tests;
mod worker;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use crate::parts::{Part, Parts};
use crate::pin::PinGuard;
use crate::{Cpu, MachineError, Topology};
use barrier::Doers;
use barrier::layout::Layout;
use crowd::{Peers, Watch};
pub use spec::{PinReport, SpinPolicy, TeamSpec};
pub use stopwatch::{Clock, KINDS, Stopwatch, TeamTimes};
use worker::{Began, Job, Shared};

/// More threads than any machine has; a larger number is a typing error.
const MAX_THREADS: usize = 4096;

/// Threads that run regions together. The thread that calls [`Team::enter`] is member 0.
#[derive(Debug)]
pub struct Team {
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
    cpus: Vec<usize>,
    pinned: PinReport,
    spins: bool,
    watch: Watch,
    region: u32,
}

impl Team {
    /// Starts and pins the threads. A refused pin is no error: see [`Team::pinned`].
    ///
    /// # Errors
    /// [`MachineError::ThreadCount`], [`MachineError::CpuCount`] for a specification that makes no
    /// sense, [`MachineError::Spawn`] if the system gives no more threads.
    pub fn new(spec: TeamSpec<'_>) -> Result<Team, MachineError> {
        let TeamSpec {
            threads,
            cpus,
            topology,
            spin,
            effective_cpus,
        } = spec;
        if threads == 0 || threads > MAX_THREADS {
            return Err(MachineError::ThreadCount {
                threads,
                most: MAX_THREADS,
            });
        }
        if !cpus.is_empty() && cpus.len() != threads {
            return Err(MachineError::CpuCount {
                threads,
                cpus: cpus.len(),
            });
        }
        let place = |worker| topology?.cpu(*cpus.get(worker)?).copied();
        let places: Vec<Option<Cpu>> = (1..threads).map(place).collect();
        let layout = Layout::of(&places);
        let leader_gate = gate_of(place(0), &places, &layout);
        let peers = peers(&layout, leader_gate);
        let mut team = Team {
            shared: Arc::new(Shared::new(layout, leader_gate)),
            handles: Vec::with_capacity(threads - 1),
            cpus,
            pinned: PinReport::NotAsked,
            spins: false,
            watch: Watch::new(Vec::new(), Vec::new()),
            region: 0,
        };
        let began = team.start_workers(threads)?;
        team.watch = Watch::new(began.iter().map(|worker| worker.thread).collect(), peers);
        let leader = team.cpus.first().and_then(|&cpu| PinGuard::new(cpu).err());
        let workers = began.into_iter().filter_map(|worker| worker.refused);
        let refusals = leader.into_iter().chain(workers);
        let refusals: Vec<String> = refusals.map(|error| error.to_string()).collect();
        team.pinned = match refusals.as_slice() {
            _ if team.cpus.is_empty() => PinReport::NotAsked,
            [] => PinReport::AllPinned,
            [why, ..] => PinReport::Refused {
                workers: refusals.len(),
                why: why.clone(),
            },
        };
        team.spins = spin == SpinPolicy::Auto
            && threads <= effective_cpus
            && refusals.is_empty()
            && all_different(&team.cpus);
        team.shared.set_idle(team.spins);
        Ok(team)
    }

    /// Starts members 1.., and returns what they say of themselves, in their order.
    fn start_workers(&mut self, threads: usize) -> Result<Vec<Began>, MachineError> {
        let (report, reports) = channel();
        for member in 1..threads {
            let shared = Arc::clone(&self.shared);
            let cpu = self.cpus.get(member).copied();
            let report = report.clone();
            let handle = std::thread::Builder::new()
                .name(format!("sysinfer-w{member}"))
                .spawn(move || worker::run(&shared, member - 1, cpu, report))
                .map_err(|source| MachineError::Spawn {
                    worker: member,
                    source,
                })?;
            self.handles.push(handle);
        }
        drop(report);
        let mut began: Vec<Began> = reports.into_iter().collect();
        began.sort_by_key(|began| began.worker);
        Ok(began)
    }

    /// Members, the leader included.
    pub fn threads(&self) -> usize {
        self.handles.len() + 1
    }

    /// What became of pinning.
    pub fn pinned(&self) -> &PinReport {
        &self.pinned
    }

    /// Whether members spin between regions; otherwise they sleep, which costs microseconds a region.
    pub fn spins(&self) -> bool {
        self.spins
    }

    /// The NUMA node of each member; the topology's first node for those not pinned to a CPU of it.
    pub fn nodes(&self, topology: &Topology) -> Vec<usize> {
        let first = topology.nodes.first().map_or(0, |node| node.id);
        let node = |worker| {
            let cpu = self.cpus.get(worker).and_then(|&cpu| topology.cpu(cpu));
            cpu.map_or(first, |cpu| cpu.node)
        };
        (0..self.threads()).map(node).collect()
    }

    /// Runs `lead` on the calling thread as member 0, pinned to the first CPU meanwhile and put back
    /// afterwards. The other members stay awake between its regions; after it they spin for a short
    /// while, so that the next call finds them awake, and then sleep.
    ///
    /// A panic in `lead`, or re-raised from a region, leaves the team ready for the next call.
    pub fn enter<R>(&mut self, lead: impl FnOnce(&mut Lead<'_>) -> R) -> R {
        self.enter_timed(None, lead)
    }

    /// As [`Team::enter`]; with a stopwatch, regions are timed.
    ///
    /// # Panics
    /// If the stopwatch was made for fewer members than the team has.
    pub fn enter_timed<R>(
        &mut self,
        stopwatch: Option<&Stopwatch<'_>>,
        lead: impl FnOnce(&mut Lead<'_>) -> R,
    ) -> R {
        if let Some(stopwatch) = stopwatch {
            let (members, threads) = (stopwatch.members(), self.threads());
            assert!(
                members >= threads,
                "a stopwatch for {members} members, a team of {threads}"
            );
        }
        // The pin was tried when the team was made; if the cpuset shrank since, running unpinned is
        // the best that is left.
        let _pin = self.cpus.first().and_then(|&cpu| PinGuard::new(cpu).ok());
        self.shared.set_engaged(self.spins);
        let mut lead_handle = Lead {
            team: self,
            stopwatch,
        };
        lead(&mut lead_handle)
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        // SAFETY: regions end before the borrow of the team that runs them does.
        unsafe { self.shared.stop(self.region.wrapping_add(1)) };
        self.shared.crowd.call_back();
        for handle in self.handles.drain(..) {
            handle.thread().unpark();
            // Workers catch what their work raises, so they end without a panic of their own.
            let _ = handle.join();
        }
    }
}

/// The leader's hold on an awake team, inside [`Team::enter`].
#[derive(Debug)]
pub struct Lead<'t> {
    team: &'t mut Team,
    stopwatch: Option<&'t Stopwatch<'t>>,
}

impl<'t> Lead<'t> {
    /// Members, the leader included.
    pub fn threads(&self) -> usize {
        self.team.threads()
    }

    /// One region: every member `w` calls `work(w, part w of parts)` once, on its own thread and so on its own CPU;
    /// returns when all have, and what they wrote is then visible to all in the next region.
    ///
    /// # Panics
    /// If `parts` cannot serve every member. A panic in any member is raised again here, after all
    /// members have finished.
    pub fn run<P: Parts>(&mut self, parts: P, work: impl Fn(usize, Part<'_, P>) + Sync) {
        self.region(Doers::Own, 0, parts, work);
    }

    /// As [`Lead::run`], but a part that its member is late for is done by another one of its NUMA node:
    /// `work(w, part w of parts)` is called once for every `w`, on whatever thread of the team. Where the team is
    /// timed, the region is work of `kind`, below [`KINDS`].
    ///
    /// # Panics
    /// As [`Lead::run`], and for a kind that there is not.
    pub fn run_as<P: Parts>(
        &mut self,
        kind: usize,
        parts: P,
        work: impl Fn(usize, Part<'_, P>) + Sync,
    ) {
        self.region(Doers::All, kind, parts, work);
    }

    fn region<P: Parts>(
        &mut self,
        doers: Doers,
        kind: usize,
        parts: P,
        work: impl Fn(usize, Part<'_, P>) + Sync,
    ) {
        let threads = self.threads();
        if let Some(workers) = parts.workers() {
            assert!(
                workers >= threads,
                "parts for {workers} workers, a team of {threads}"
            );
        }
        // SAFETY: worker is below `threads`, which `parts` serves, and `run_region` calls this once
        // per member.
        let run_part = |worker: usize| work(worker, unsafe { parts.part(worker) });
        match self.stopwatch {
            None => self.run_region(doers, &run_part),
            Some(stopwatch) => stopwatch.region(|| {
                self.run_region(doers, &|worker| {
                    stopwatch.work(worker, kind, || run_part(worker));
                });
            }),
        }
    }

    /// What times the team, for laps within a region.
    pub fn stopwatch(&self) -> Option<&'t Stopwatch<'t>> {
        self.stopwatch
    }

    fn run_region<F: Fn(usize) + Sync>(&mut self, doers: Doers, work: &F) {
        if self.team.handles.is_empty() {
            return work(0);
        }
        let team = &mut *self.team;
        let previous = team.region;
        team.region = previous.wrapping_add(1);
        if doers == Doers::Own && team.shared.crowd.anyone_makes_room() {
            // Nobody else does the part of a worker that rests.
            team.shared.crowd.call_back();
            team.handles
                .iter()
                .for_each(|handle| handle.thread().unpark());
        }
        let job = Job::new(work);
        // SAFETY: `work` outlives the region: whatever happens below, `finish` returns only after every part is done.
        // The region before this one was waited for.
        unsafe { team.shared.release(team.region, job, doers) };
        let own = catch_unwind(AssertUnwindSafe(|| work(0)));
        // SAFETY: as above.
        unsafe { team.shared.finish(team.region, previous, job) };
        // Threads that are more than CPUs keep each other waiting, whatever else runs.
        if team.spins {
            team.watch.look(&team.shared.crowd);
        }
        raise_first(own.err(), team.shared.take_panics());
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.team.shared.set_idle(self.team.spins);
    }
}

type Panic = Box<dyn Any + Send>;

/// Raises the leader's panic, else the first of the others, if there was any.
fn raise_first(own: Option<Panic>, others: Vec<Panic>) {
    if let Some(panic) = own.into_iter().chain(others).next() {
        resume_unwind(panic);
    }
}

/// The gate where the workers of the leader's node wait, if there are any.
fn gate_of(leader: Option<Cpu>, places: &[Option<Cpu>], layout: &Layout) -> Option<usize> {
    let node = |place: Option<Cpu>| place.map(|cpu| cpu.node);
    let worker = places.iter().position(|place| node(*place) == node(leader));
    worker.map(|worker| layout.seats[worker].gate)
}

/// Who does the parts of workers that are away.
fn peers(layout: &Layout, leader_gate: Option<usize>) -> Vec<Peers> {
    let at = |gate| layout.seats.iter().filter(|seat| seat.gate == gate).count();
    let peers = |gate| {
        let leader = Some(gate) == leader_gate;
        Peers {
            any: leader || at(gate) > 1,
            leader,
        }
    };
    layout.seats.iter().map(|seat| peers(seat.gate)).collect()
}

/// Two members on one CPU would spin while the other cannot run.
fn all_different(cpus: &[usize]) -> bool {
    let mut sorted = cpus.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair[0] != pair[1])
}
