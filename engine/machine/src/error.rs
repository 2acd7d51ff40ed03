//! The one error type of this crate. Each message names the thing and what the user can do.

use std::io;
use std::path::PathBuf;

/// Why the machine could not give what was asked of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachineError {
    /// libhwloc could not describe the host.
    #[error(
        "hardware discovery failed: {why}; unset HWLOC_* variables, and let the process read /sys/devices/system"
    )]
    Discovery {
        /// What libhwloc said.
        why: String,
    },
    /// A synthetic topology description that libhwloc rejects or that is too large.
    #[error(
        "synthetic topology \"{description}\" is not usable: {why}; an example is \"pack:2 numa:2 l3:1 core:24 pu:1\""
    )]
    Synthetic {
        /// The description as given.
        description: String,
        /// What is wrong with it.
        why: String,
    },
    /// A topology file that cannot be read or that libhwloc rejects.
    #[error("topology file {}: {why}; write one with `lstopo file.xml`", path.display())]
    TopologyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The topology leaves no CPU that this process may run on.
    #[error(
        "no CPU of the topology ({source_name}) is allowed for this process; check the cpuset or taskset it was started with"
    )]
    NoCpus {
        /// Where the topology came from.
        source_name: String,
    },
    /// A list of CPUs that does not follow the grammar.
    #[error(
        "CPU list, item \"{item}\" at character {position}: {why}; write N, M-N or M-N:STRIDE, separated by commas or blanks"
    )]
    CpuList {
        /// The offending item.
        item: String,
        /// Where it starts, counted from 1 in bytes.
        position: usize,
        /// What is wrong with it.
        why: String,
    },
    /// No such placement policy.
    #[error(
        "\"{name}\" is not a placement; choose one of unpinned, compact, spread, per-cluster, smt, given"
    )]
    UnknownPolicy {
        /// The name as given.
        name: String,
    },
    /// More threads than the policy can place.
    #[error(
        "placement \"{policy}\" has room for {limit} threads ({limited_by}) but {threads} were asked for; use fewer threads"
    )]
    TooManyThreads {
        /// The policy's name.
        policy: &'static str,
        /// Threads asked for.
        threads: usize,
        /// The most that this policy can place.
        limit: usize,
        /// What sets the limit.
        limited_by: String,
    },
    /// Spread needs the same number of threads on every node.
    #[error(
        "placement \"spread\" needs a multiple of {nodes} threads (one share per NUMA node) but {threads} were asked for; use {possible}"
    )]
    NotAMultiple {
        /// Threads asked for.
        threads: usize,
        /// NUMA nodes with CPUs.
        nodes: usize,
        /// The nearest possible counts, e.g. "88 or 92".
        possible: String,
    },
    /// The policy "given" has no rule of its own.
    #[error(
        "placement \"given\" takes its CPUs from a CPU list; give one, or choose another placement"
    )]
    GivenWithoutList,
    /// A team of no threads, or of absurdly many.
    #[error("a team of {threads} threads is not possible; use 1 to {most}")]
    ThreadCount {
        /// Threads asked for.
        threads: usize,
        /// The most that a team may have.
        most: usize,
    },
    /// The list of CPUs of a team does not fit its threads.
    #[error(
        "a team of {threads} threads was given {cpus} CPUs; give one CPU per thread, or none to leave them unpinned"
    )]
    CpuCount {
        /// Threads of the team.
        threads: usize,
        /// CPUs given.
        cpus: usize,
    },
    /// The operating system gave no thread.
    #[error(
        "cannot start worker thread {worker}: {source}; use fewer threads or raise the process limit (ulimit -u)"
    )]
    Spawn {
        /// Which worker.
        worker: usize,
        /// What the system said.
        source: io::Error,
    },
    /// A thread could not be pinned.
    #[error(
        "cannot pin to CPU {cpu}: {source}; the CPU must exist and be allowed for this process"
    )]
    Pin {
        /// The CPU asked for.
        cpu: usize,
        /// What the system said.
        source: io::Error,
    },
    /// The affinity of the calling thread could not be read.
    #[error("cannot read the CPU affinity of this thread: {source}")]
    Affinity {
        /// What the system said.
        source: io::Error,
    },
    /// Memory that the system does not give.
    #[error(
        "cannot map {bytes} bytes of memory: {source}; free memory or choose a smaller model, context or batch"
    )]
    Memory {
        /// Bytes asked for.
        bytes: usize,
        /// What the system said.
        source: io::Error,
    },
    /// A range could not be bound to a NUMA node.
    #[error(
        "cannot bind {bytes} bytes to NUMA node {node}: {source}; without mbind, pages land where they are first touched"
    )]
    BindMemory {
        /// Bytes of the range.
        bytes: usize,
        /// The node.
        node: usize,
        /// What the system said.
        source: io::Error,
    },
    /// A file that cannot be mapped.
    #[error("cannot map file {}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        why: String,
    },
    /// Ranges that overlap, go backwards or leave their total.
    #[error("range {index} ({start}..{end}) of {total} items {why}")]
    Ranges {
        /// Which range.
        index: usize,
        /// Its start.
        start: usize,
        /// Its end.
        end: usize,
        /// Items that the ranges divide.
        total: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}
