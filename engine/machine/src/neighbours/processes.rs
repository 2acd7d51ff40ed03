//! What is pinned on this host, from `/proc`: the threads of every process, the CPUs each may run on and
//! how busy it is (proc(5)).
//!
//! A thread that may run on all of our CPUs, or on none, takes none from us, and threads of the kernel
//! give way. Others claim the CPUs they may run on, if they use them: services are often confined to a
//! few CPUs and sleep. A process that has a [`claim`](super::claim) claims what that says, busy or not,
//! and nothing else: its other pinned threads, and processes it started, are no workers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::claim::MARK;
use super::{Blind, Neighbour, Neighbours};
use crate::kernel_text::{field, kib_field};
use crate::{CpuList, Topology};

/// Less of a CPU's time than this, over its life, and a pinned thread is idle.
const BUSY_SHARE: f64 = 0.01;
/// Threads of one process that are looked at. Claims and workers are among the first.
const MAX_OF_A_PROCESS: usize = 1_024;
/// Threads that are looked at in all.
const MAX_THREADS: usize = 65_536;
/// The link that names the first process namespace of a kernel: `PROC_PID_INIT_INO` in its sources.
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

impl Neighbours {
    /// What is pinned to CPUs of `topology` on this host. Takes some 10 microseconds for each thread of
    /// the host, and looks at 65,536 of them at most.
    pub fn of_this_host(topology: &Topology) -> Neighbours {
        Neighbours::in_proc(Path::new("/proc"), std::process::id() as usize, topology)
    }

    /// As [`Self::of_this_host`], from a `/proc` that may be a recorded one; `own` is the process whose
    /// neighbours are looked for.
    pub fn in_proc(proc: &Path, own: usize, topology: &Topology) -> Neighbours {
        let ours = topology.cpus.iter().map(|cpu| cpu.id).collect();
        read(proc, own, &ours)
    }
}

/// Reads `/proc` at `proc` for process `own`, whose CPUs are `ours`.
fn read(proc: &Path, own: usize, ours: &BTreeSet<usize>) -> Neighbours {
    read_most(proc, own, ours, MAX_THREADS)
}

/// As [`read`], but looks at `most` threads.
fn read_most(proc: &Path, own: usize, ours: &BTreeSet<usize>, most: usize) -> Neighbours {
    let mut reader = Reader {
        ours,
        now_ticks: uptime_ticks(proc),
        left: most,
    };
    let mut found = BTreeMap::<usize, Process>::new();
    for id in numbers(proc) {
        if id != own && reader.left > 0 {
            let process = reader.process(&proc.join(id.to_string()));
            found.extend(process.map(|process| (id, process)));
        }
    }
    let helper_of_marked = |process: &Process| {
        let parent = found.get(&process.parent);
        process.parent == own || parent.is_some_and(|parent| !parent.marked.is_empty())
    };
    let pinned = found
        .iter()
        .filter(|(_, process)| !helper_of_marked(process));
    let pinned = pinned.filter_map(|(id, process)| process.neighbour(*id));
    let pinned = pinned.collect();
    let crowded = (reader.left == 0).then_some(Blind::TooMany);
    let blind = blind(proc).or(crowded);
    Neighbours { pinned, blind }
}

/// Why processes of this host may be missing below `proc`.
fn blind(proc: &Path) -> Option<Blind> {
    let Ok(namespace) = fs::read_link(proc.join("self/ns/pid")) else {
        return Some(Blind::NoProc);
    };
    if namespace != Path::new(FIRST_NAMESPACE) {
        return Some(Blind::Container);
    }
    // Every user may read this of the first process, unless it is hidden.
    let first = fs::read_to_string(proc.join("1/status"));
    first.is_err().then_some(Blind::Hidden)
}

/// What was seen of a process.
#[derive(Default)]
struct Process {
    name: String,
    parent: usize,
    /// What its claims say.
    marked: BTreeSet<usize>,
    /// How busy its pinned threads keep each of our CPUs, 1 for all of its time.
    busy: BTreeMap<usize, f64>,
}

impl Process {
    /// What there is to say to others; nothing if it is pinned to nothing of ours.
    fn neighbour(&self, process: usize) -> Option<Neighbour> {
        let (claims, idles) = if self.marked.is_empty() {
            let (busy, idle): (Vec<_>, Vec<_>) = self
                .busy
                .iter()
                .partition(|(_, share)| **share >= BUSY_SHARE);
            let ids = |cpus: Vec<(&usize, &f64)>| cpus.into_iter().map(|(cpu, _)| *cpu).collect();
            (ids(busy), ids(idle))
        } else {
            (self.marked.iter().copied().collect(), Vec::new())
        };
        let neighbour = Neighbour {
            process,
            name: self.name.clone(),
            claims,
            idles,
        };
        let is_pinned = !neighbour.claims.is_empty() || !neighbour.idles.is_empty();
        is_pinned.then_some(neighbour)
    }
}

struct Reader<'a> {
    ours: &'a BTreeSet<usize>,
    /// Since boot; `None` if the system does not say, and every pinned thread then counts as busy.
    now_ticks: Option<u64>,
    /// Threads that may still be looked at.
    left: usize,
}

impl Reader<'_> {
    /// The process in `folder`; `None` if it is the kernel's, or has just ended.
    fn process(&mut self, folder: &Path) -> Option<Process> {
        let status = self.status(folder)?;
        let mut process = Process {
            name: printable(field(&status, "Name")?),
            parent: field(&status, "PPid")?.parse().ok()?,
            ..Process::default()
        };
        if field(&status, "Threads") == Some("1") {
            self.add(folder, &status, &mut process);
            return Some(process);
        }
        let tasks = folder.join("task");
        for id in numbers(&tasks).take(MAX_OF_A_PROCESS) {
            let task = tasks.join(id.to_string());
            if let Some(status) = self.status(&task) {
                self.add(&task, &status, &mut process);
            }
        }
        Some(process)
    }

    /// The `status` of a thread that has memory: threads of the kernel, and dead ones, have none.
    fn status(&mut self, folder: &Path) -> Option<String> {
        self.left = self.left.checked_sub(1)?;
        let status = fs::read(folder.join("status")).ok()?;
        // The name may be any bytes.
        let status = String::from_utf8_lossy(&status).into_owned();
        kib_field(&status, "VmSize").map(|_| status)
    }

    /// Adds what a thread takes of our CPUs.
    fn add(&self, folder: &Path, status: &str, process: &mut Process) {
        let cpus = field(status, "Cpus_allowed_list");
        let Some(cpus) = cpus.and_then(|text| text.parse::<CpuList>().ok()) else {
            return;
        };
        let all: BTreeSet<usize> = cpus.as_slice().iter().copied().collect();
        let of_ours = self.ours.intersection(&all).copied();
        if field(status, "Name") == Some(MARK) {
            process.marked.extend(of_ours);
        } else if !self.ours.is_subset(&all) && !self.ours.is_disjoint(&all) {
            let share = self.share(folder).unwrap_or(1.0) / all.len() as f64;
            of_ours.for_each(|cpu| *process.busy.entry(cpu).or_default() += share);
        }
    }

    /// The share of a CPU that a thread has used since it began.
    fn share(&self, folder: &Path) -> Option<f64> {
        let text = fs::read(folder.join("stat")).ok()?;
        let text = String::from_utf8_lossy(&text);
        // The name stands in brackets and may hold brackets and blanks; the state after it is field 3.
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let (user, system, began) = (ticks(14)?, ticks(15)?, ticks(22)?);
        // At least one, in the tick in which it began.
        let age = self.now_ticks?.saturating_sub(began).max(1);
        Some(user.saturating_add(system) as f64 / age as f64)
    }
}

/// The numbers among the names in a folder: processes, or threads of one.
fn numbers(folder: &Path) -> impl Iterator<Item = usize> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Time since boot, in the ticks of `stat`.
fn uptime_ticks(proc: &Path) -> Option<u64> {
    let text = fs::read_to_string(proc.join("uptime")).ok()?;
    let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    // The conversion saturates.
    Some((seconds * rustix::param::clock_ticks_per_second() as f64) as u64)
}

/// A name for a line of a log: a process may call itself anything.
fn printable(name: &str) -> String {
    let plain = |c: char| if c.is_control() { '?' } else { c };
    name.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;
    use crate::Topology;

    /// A `/proc` below a folder of its own, a thousand seconds after boot.
    struct Host {
        proc: PathBuf,
        ticks: u64,
    }

    impl Host {
        fn new(name: &str) -> Host {
            let folder = format!("sysinfer-proc-{}-{name}", std::process::id());
            let host = Host {
                proc: std::env::temp_dir().join(folder),
                ticks: rustix::param::clock_ticks_per_second(),
            };
            host.write("uptime", "1000.00 5.00\n");
            host.write("1/status", "Name:\tinit\nPPid:\t0\n");
            host.write("self/ns/x", "");
            symlink(FIRST_NAMESPACE, host.proc.join("self/ns/pid")).unwrap();
            host
        }

        fn write(&self, path: &str, text: impl AsRef<[u8]>) {
            let path = self.proc.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        /// A thread on `cpus` that began at second 900 and ran for `seconds`.
        fn thread(&self, folder: &str, name: &str, parent: usize, cpus: &str, seconds: f64) {
            let status = format!(
                "Name:\t{name}\nPPid:\t{parent}\nVmSize:\t 10 kB\nThreads:\t{}\nCpus_allowed_list:\t{cpus}\n",
                if folder.contains("task") { 2 } else { 1 }
            );
            self.write(&format!("{folder}/status"), status);
            let (ran, began) = ((seconds * self.ticks as f64) as u64, 900 * self.ticks);
            let stat =
                format!("7 (a ) b) R 1 1 1 0 -1 0 0 0 0 0 {ran} 0 0 0 20 0 2 0 {began} 0 0\n");
            self.write(&format!("{folder}/stat"), stat);
        }

        /// A process of several threads: name, CPUs, seconds of each.
        fn process(&self, id: usize, parent: usize, threads: &[(&str, &str, f64)]) {
            let (name, cpus, _) = threads[0];
            for (index, (name, cpus, seconds)) in threads.iter().enumerate() {
                let folder = format!("{id}/task/{}", id + index);
                self.thread(&folder, name, parent, cpus, *seconds);
            }
            let status = format!(
                "Name:\t{name}\nPPid:\t{parent}\nVmSize:\t 10 kB\nThreads:\t2\nCpus_allowed_list:\t{cpus}\n"
            );
            self.write(&format!("{id}/status"), status);
        }

        fn seen(&self) -> Neighbours {
            Neighbours::in_proc(&self.proc, 999, &Topology::flat(&[0, 1, 2, 3]))
        }

        /// What is said of a process: its name, what it claims, where it idles.
        fn of(&self, process: usize) -> Option<(String, Vec<usize>, Vec<usize>)> {
            let mut pinned = self.seen().pinned.into_iter();
            let found = pinned.find(|one| one.process == process);
            found.map(|one| (one.name, one.claims, one.idles))
        }
    }

    impl Drop for Host {
        fn drop(&mut self) {
            // The folder is in the system's temporary one.
            let _ = fs::remove_dir_all(&self.proc);
        }
    }

    fn said(
        name: &str,
        claims: &[usize],
        idles: &[usize],
    ) -> Option<(String, Vec<usize>, Vec<usize>)> {
        Some((name.to_owned(), claims.to_vec(), idles.to_vec()))
    }

    #[test]
    fn pinned_threads_claim_what_they_use() {
        let host = Host::new("use");
        host.thread("10", "engine", 1, "2", 50.0);
        host.thread("11", "daemon", 1, "0-1", 0.1);
        host.thread("12", "anywhere", 1, "0-95", 90.0);
        host.thread("13", "elsewhere", 1, "4-95", 90.0);
        host.thread("14", "node", 1, "3-26", 90.0);
        host.thread("999", "ourselves", 1, "0", 90.0);
        host.thread("15", "of ours", 999, "1", 90.0);
        host.process(
            20,
            1,
            &[
                ("many", "0-95", 9.0),
                ("many", "1", 3.0),
                ("many", "3", 0.2),
            ],
        );
        // A thread of the kernel, and a process that ends between two reads.
        host.write(
            "3/status",
            "Name:\tkworker/1:0\nPPid:\t2\nThreads:\t1\nCpus_allowed_list:\t1\n",
        );
        host.write("30/stat", "");
        assert_eq!(host.seen().blind, None);
        assert_eq!(host.of(10), said("engine", &[2], &[]));
        assert_eq!(host.of(11), said("daemon", &[], &[0, 1]));
        assert_eq!(
            host.of(14),
            said("node", &[3], &[]),
            "its part of a CPU each"
        );
        assert_eq!(host.of(20), said("many", &[1], &[3]));
        let others: Vec<usize> = host.seen().pinned.iter().map(|one| one.process).collect();
        assert_eq!(others, [10, 11, 14, 20]);
    }

    #[test]
    fn a_claim_stands_for_all_of_its_process() {
        let host = Host::new("claim");
        let threads = [
            ("sysinfer-server", "0-95", 9.0),
            (MARK, "0-1", 0.0),
            ("sysinfer-http", "3", 9.0),
        ];
        host.process(40, 1, &threads);
        host.thread("50", "helper", 40, "2", 60.0);
        host.process(60, 1, &[("server", "0-3", 9.0), (MARK, "0-3", 0.0)]);
        assert_eq!(host.of(40), said("sysinfer-server", &[0, 1], &[]));
        assert_eq!(
            host.of(60),
            said("server", &[0, 1, 2, 3], &[]),
            "all CPUs, but claimed"
        );
        assert_eq!(host.seen().pinned.len(), 2);
        let on = |cpus: &[usize]| -> Vec<usize> {
            let seen = host.seen();
            seen.on(cpus).iter().map(|one| one.process).collect()
        };
        assert_eq!(
            (on(&[2]), on(&[1, 2]), on(&[])),
            (vec![60], vec![40, 60], vec![])
        );
    }

    #[test]
    fn nonsense_is_no_neighbour() {
        let host = Host::new("nonsense");
        for (id, status) in [
            ("70", "".as_bytes()),
            (
                "71",
                b"Name:\tx\nPPid:\tmany\nVmSize: 1 kB\nThreads:\t1\nCpus_allowed_list:\t1\n",
            ),
            (
                "72",
                b"Name:\tx\nPPid:\t1\nVmSize: 1 kB\nThreads:\t1\nCpus_allowed_list:\tall\n",
            ),
            (
                "73",
                b"Name:\tx\nPPid:\t1\nVmSize: 1 kB\nThreads:\t2\nCpus_allowed_list:\t1\n",
            ),
            ("99999999999999999999999", b""),
        ] {
            host.write(&format!("{id}/status"), status);
        }
        assert_eq!(host.seen(), Neighbours::default());
        // Without times, and with a name of odd bytes, a pinned thread counts as busy.
        let status =
            b"Name:\ta\xff\x1b[31m\nPPid:\t1\nVmSize: 1 kB\nThreads:\t1\nCpus_allowed_list:\t1\n";
        host.write("74/status", status);
        assert_eq!(host.of(74), said("a\u{fffd}?[31m", &[1], &[]));
    }

    #[test]
    fn what_is_not_seen_is_said() {
        let host = Host::new("blind");
        let link = host.proc.join("self/ns/pid");
        fs::remove_file(host.proc.join("1/status")).unwrap();
        assert_eq!(host.seen().blind, Some(Blind::Hidden));
        fs::remove_file(&link).unwrap();
        symlink("pid:[4026532281]", &link).unwrap();
        assert_eq!(host.seen().blind, Some(Blind::Container));
        fs::remove_file(&link).unwrap();
        assert_eq!(host.seen().blind, Some(Blind::NoProc));
    }

    #[test]
    fn only_so_many_threads_are_looked_at() {
        let host = Host::new("bounds");
        for id in 100..140 {
            host.thread(&id.to_string(), "x", 1, "0", 50.0);
        }
        let ours = BTreeSet::from([0, 1]);
        let read = |most| read_most(&host.proc, 999, &ours, most);
        let (some, all) = (read(10), read(60));
        assert_eq!((some.blind, all.blind), (Some(Blind::TooMany), None));
        assert!(some.pinned.len() <= 10);
        assert_eq!(all.pinned.len(), 40);
    }
}
