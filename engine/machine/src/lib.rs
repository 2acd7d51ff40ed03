//! What we ask of a machine: which CPUs and memory nodes it has, which of them we may use, memory
//! on a given node, and a team of pinned threads that meet at a barrier. Nothing here knows models.
//!
//! Reading order: [`Topology`] says what exists, [`effective_cpus`] how much of it we may use,
//! [`place`] and [`CpuList`] choose a CPU for every worker, [`seats`] does so away from [`Neighbours`],
//! [`Team`] runs them in regions, [`Ranges`] and [`parts`] say which worker writes what, [`NodeBuffer`]
//! and [`NodeArena`] hold what they read, [`residency()`] says where that is. [`Ticks`] and [`throttling()`] tell who
//! else had the CPUs meanwhile. [`Runner`] starts programs of a build that the host can only emulate.
//!
//! This is one of the two crates where `unsafe` may live: here it wraps system calls and hands each
//! worker its own mutable part of a region, so that callers need none.

mod arena;
mod cores;
mod cpu_list;
mod cpu_time;
mod effective;
mod error;
mod file_map;
mod host;
mod host_memory;
mod kernel_text;
mod lines;
mod memory;
mod neighbours;
mod partition;
pub mod parts;
mod pin;
mod placement;
mod residency;
mod runner;
mod team;
mod topology;

pub use arena::{NodeArena, NodeSlice};
pub use cores::{ArmCore, Core, CoreKind, core_kinds, without_releases};
pub use cpu_list::CpuList;
pub use cpu_time::{ThreadTime, Ticks, run_delays};
pub use effective::{
    Throttling, cpu_quota, cpu_quota_of, effective_cpus, memory_left_bytes, surplus,
    throttled_periods, throttling, usable_memory_bytes, whole_cpus,
};
pub use error::MachineError;
pub use file_map::FileMap;
pub use host::{HostInfo, host_info, sve_bits};
pub use kernel_text::{chosen_word, kib_field};
pub use lines::Lines;
pub use memory::{NodeBuffer, Pages, PartLayout};
pub use neighbours::{Blind, Claim, Neighbour, Neighbours, Picked, Seats, Why, seats, settle};
pub use partition::Ranges;
pub use parts::{ColumnsMut, Part, PartOf, Parts, RowsMut, columns, each, ranges, scattered};
pub use pin::{PinGuard, allowed_cpus, confine_to, current_affinity};
pub use placement::{MapPolicy, place};
pub use residency::{Residency, residency};
pub use runner::Runner;
pub use team::{Clock, KINDS, Lead, PinReport, SpinPolicy, Stopwatch, Team, TeamSpec, TeamTimes};
pub use topology::{Caches, Cpu, Node, Topology};
