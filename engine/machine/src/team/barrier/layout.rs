//! Which gate each worker waits at and which counters it goes by, from where the workers are. Plain
//! values: a machine that this is not can be laid out and looked at.

use std::collections::BTreeMap;

use crate::Cpu;

/// Arrivals that meet on one counter at most: more would queue for the line, fewer would deepen the
/// tree.
pub(crate) const MAX_ARRIVALS: usize = 8;

/// The barrier of a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// One seat per worker.
    pub(crate) seats: Vec<Seat>,
    /// The tree of counters, each before those that it leads to.
    pub(crate) steps: Vec<Step>,
    /// How many gates there are: one per NUMA node with workers, one for those without a place.
    pub(crate) gates: usize,
}

/// Where a worker waits and arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    /// Its gate.
    pub(crate) gate: usize,
    /// The first counter that it counts up; none if it is the only worker.
    pub(crate) step: Option<usize>,
}

/// A counter of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// How many arrivals complete it, 2 to [`MAX_ARRIVALS`].
    pub(crate) arrivals: u32,
    /// The counter that the last of them counts up; none for the last counter.
    pub(crate) next: Option<usize>,
}

/// What arrives at a counter.
#[derive(Clone, Copy)]
enum Arrives {
    Worker(usize),
    /// The last one at this counter.
    LastAt(usize),
}

impl Layout {
    /// For workers at `places`; `None` for one that is not pinned, or to a CPU that is not known.
    ///
    /// Hardware threads of a core meet first, then cores of a cluster, clusters of a node, nodes of a
    /// package, packages. Those without a place meet among themselves, neighbours by number first.
    pub(crate) fn of(places: &[Option<Cpu>]) -> Layout {
        let (seats, gates) = wait_by_node(places);
        let steps = Vec::new();
        let mut layout = Layout {
            seats,
            steps,
            gates,
        };
        let mut placed: Vec<(Cpu, usize)> = Vec::new();
        let mut others = Vec::new();
        for (worker, place) in places.iter().enumerate() {
            match place {
                Some(cpu) => placed.push((*cpu, worker)),
                None => others.push(Arrives::Worker(worker)),
            }
        }
        // Neighbours next to each other, so that cutting what is too many for one counter keeps them
        // together.
        placed.sort_by_key(|&(cpu, _)| (LEVELS.map(|level| level(&cpu)), cpu.smt));
        let mut top = layout.children(&placed, &LEVELS);
        top.extend(layout.meet(others));
        layout.meet(top);
        layout
    }

    /// What arrives where the parts of a level meet; `levels` are this one and those within.
    fn children(&mut self, workers: &[(Cpu, usize)], levels: &[Level]) -> Vec<Arrives> {
        let Some((level, within)) = levels.split_first() else {
            let worker = |&(_, worker)| Arrives::Worker(worker);
            return workers.iter().map(worker).collect();
        };
        let parts = workers.chunk_by(|(one, _), (other, _)| level(one) == level(other));
        let part = |part: &[(Cpu, usize)]| {
            let children = self.children(part, within);
            self.meet(children)
        };
        parts.filter_map(part).collect()
    }

    /// Has `arriving` meet, over several counters if they are too many for one, and returns what then
    /// goes on. One alone needs no counter.
    fn meet(&mut self, mut arriving: Vec<Arrives>) -> Option<Arrives> {
        while arriving.len() > MAX_ARRIVALS {
            let groups = arriving.len().div_ceil(MAX_ARRIVALS);
            let bound = |group| group * arriving.len() / groups;
            arriving = (0..groups)
                .map(|group| self.count(&arriving[bound(group)..bound(group + 1)]))
                .collect();
        }
        match arriving.as_slice() {
            [] | [_] => arriving.pop(),
            several => Some(self.count(several)),
        }
    }

    /// Adds the counter of `arriving`.
    fn count(&mut self, arriving: &[Arrives]) -> Arrives {
        let index = self.steps.len();
        for child in arriving {
            match *child {
                Arrives::Worker(worker) => self.seats[worker].step = Some(index),
                Arrives::LastAt(step) => self.steps[step].next = Some(index),
            }
        }
        self.steps.push(Step {
            arrivals: arriving.len() as u32, // at most MAX_ARRIVALS
            next: None,
        });
        Arrives::LastAt(index)
    }
}

/// Which part of a level a CPU is in.
type Level = fn(&Cpu) -> usize;

/// From the outside in. Hardware threads of a core are what is left within.
const LEVELS: [Level; 4] = [
    |cpu| cpu.package,
    |cpu| cpu.node,
    |cpu| cpu.cluster,
    |cpu| cpu.core,
];

/// Seats at one gate per node, in the order in which nodes appear, and how many gates that makes.
fn wait_by_node(places: &[Option<Cpu>]) -> (Vec<Seat>, usize) {
    let mut gates = BTreeMap::new();
    let seat = |place: &Option<Cpu>| {
        let next = gates.len();
        let gate = *gates.entry(place.map(|cpu| cpu.node)).or_insert(next);
        Seat { gate, step: None }
    };
    let seats = places.iter().map(seat).collect();
    (seats, gates.len())
}
