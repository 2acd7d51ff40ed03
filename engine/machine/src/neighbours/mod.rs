//! Who else is pinned to the CPUs that we may use, and how to stay clear of them.
//!
//! The kernel moves an unpinned thread away from a busy CPU; a pinned one it cannot. So a process
//! that pins to some of its CPUs, because a quota or its user wants fewer threads than there are
//! cores, must know which of them are taken: [`Neighbours`] is what was seen ([`processes`]),
//! [`seats`] is the choice, a pure function, and [`settle`] keeps two processes that start together
//! from making the same one.

mod claim;
mod processes;
mod seats;

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

pub use claim::{Claim, Picked, settle};
pub use seats::{Seats, Why, seats};

/// A process with threads that may not run on all of our CPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its id.
    pub process: usize,
    /// Its name, as the kernel has it: at most 15 bytes.
    pub name: String,
    /// Those of our CPUs that it works on, ascending.
    pub claims: Vec<usize>,
    /// Those of our CPUs that it is pinned to and hardly uses, ascending.
    pub idles: Vec<usize>,
}

impl Display for Neighbour {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (process {})", self.name, self.process)
    }
}

/// What is pinned beside us.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Neighbours {
    /// Processes with pinned threads, by id.
    pub pinned: Vec<Neighbour>,
    /// Why there may be others that were not seen.
    pub blind: Option<Blind>,
}

/// Why not every process of the host was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blind {
    /// There is no `/proc` that tells.
    NoProc,
    /// Only processes of this container are seen.
    Container,
    /// `/proc` is mounted with `hidepid`.
    Hidden,
    /// The host has more threads than are looked at.
    TooMany,
    /// Another process chose the same CPUs in the same moment.
    Tie,
}

impl Display for Blind {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Blind::NoProc => "/proc does not tell what other processes are pinned to",
            Blind::Container => {
                "what processes outside this container are pinned to is not seen from here"
            }
            Blind::Hidden => {
                "/proc hides other users' processes (hidepid), and what they are pinned to"
            }
            Blind::TooMany => "the host has too many threads to see what each is pinned to",
            Blind::Tie => "another process chose the same CPUs in the same moment",
        })
    }
}

impl Neighbours {
    /// Those that work on any of `cpus`.
    pub fn on(&self, cpus: &[usize]) -> Vec<&Neighbour> {
        let works_there = |neighbour: &&Neighbour| {
            let mut claims = neighbour.claims.iter();
            claims.any(|cpu| cpus.contains(cpu))
        };
        self.pinned.iter().filter(works_there).collect()
    }

    /// All CPUs that are worked on.
    fn claimed(&self) -> BTreeSet<usize> {
        let claims = self.pinned.iter().flat_map(|neighbour| &neighbour.claims);
        claims.copied().collect()
    }

    /// All CPUs that anything is pinned to, busy or not.
    fn touched(&self) -> BTreeSet<usize> {
        let idles = self.pinned.iter().flat_map(|neighbour| &neighbour.idles);
        self.claimed().into_iter().chain(idles.copied()).collect()
    }
}
