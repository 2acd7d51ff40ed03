//! CPU time as the kernel counts it: `/proc/stat` by CPU, `/proc/self` for this process, where each worker thread
//! is, and how long threads were ready to run and did not. Formats: proc(5). All is read below a `/proc` that may
//! be a recorded one.

use std::path::Path;

/// Threads of teams have names that begin so; see [`Team`](crate::Team).
const WORKER_PREFIX: &str = "sysinfer-w";
/// More threads than any team has.
const MAX_THREADS: usize = 8192;

/// CPU time since boot, in ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticks {
    cpus: Vec<CpuTicks>,
    /// This process, all threads.
    pub own: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CpuTicks {
    id: usize,
    /// All processes and interrupts, without stolen time.
    busy: u64,
    stolen: u64,
}

/// A thread, and what it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadTime {
    /// Thread id.
    pub thread: u32,
    /// As the kernel has it, at most 15 bytes.
    pub name: String,
    /// Where it ran last.
    pub cpu: usize,
    /// Time that it ran, in ticks.
    pub ticks: u64,
}

impl Ticks {
    /// From the text of `/proc/stat`; `own` is what this process took. `None` where it names no CPU.
    pub fn parse(stat: &str, own: u64) -> Option<Self> {
        let cpus: Vec<CpuTicks> = stat.lines().filter_map(parse_cpu).collect();
        (!cpus.is_empty()).then_some(Self { cpus, own })
    }

    /// Reads both below `proc`; `None` where the system does not tell.
    pub fn read(proc: &Path) -> Option<Self> {
        let stat = std::fs::read_to_string(proc.join("stat")).ok()?;
        let own = std::fs::read_to_string(proc.join("self/stat")).ok()?;
        Self::parse(&stat, ThreadTime::parse(&own)?.ticks)
    }

    /// Busy ticks of the CPUs; of all for an empty list.
    pub fn busy(&self, cpus: &[usize]) -> u64 {
        self.of(cpus)
            .map(|cpu| cpu.busy)
            .fold(0, u64::saturating_add)
    }

    /// Stolen ticks of the CPUs; of all for an empty list.
    pub fn stolen(&self, cpus: &[usize]) -> u64 {
        self.of(cpus)
            .map(|cpu| cpu.stolen)
            .fold(0, u64::saturating_add)
    }

    /// How many of the CPUs there are.
    pub fn count(&self, cpus: &[usize]) -> usize {
        self.of(cpus).count()
    }

    fn of<'a>(&'a self, cpus: &'a [usize]) -> impl Iterator<Item = &'a CpuTicks> {
        let wanted = move |cpu: &&CpuTicks| cpus.is_empty() || cpus.contains(&cpu.id);
        self.cpus.iter().filter(wanted)
    }
}

impl ThreadTime {
    /// The workers of all teams of this process; none where the system does not tell.
    pub fn of_workers(proc: &Path) -> Vec<Self> {
        let read = |entry: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
            Self::parse(&stat)
        };
        tasks(proc)
            .filter_map(read)
            .filter(|thread| thread.name.starts_with(WORKER_PREFIX))
            .collect()
    }

    /// Id, name, CPU (field 39) and ticks (14 and 15) of `stat`; the name may hold blanks and brackets.
    pub fn parse(stat: &str) -> Option<Self> {
        let (head, tail) = stat.rsplit_once(')')?;
        let (id, name) = head.split_once('(')?;
        let fields: Vec<&str> = tail.split_whitespace().collect();
        let user: u64 = fields.get(11)?.parse().ok()?;
        let system: u64 = fields.get(12)?.parse().ok()?;
        Some(Self {
            thread: id.trim().parse().ok()?,
            name: name.to_owned(),
            cpu: fields.get(36)?.parse().ok()?,
            ticks: user.checked_add(system)?,
        })
    }
}

/// By the id of each thread of this process whose name begins with one of `names`: nanoseconds that it was ready
/// to run, and no CPU ran it. Empty where the kernel does not count them (`CONFIG_SCHED_INFO`).
pub fn run_delays(proc: &Path, names: &[&str]) -> Vec<(u32, u64)> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let folder = entry.ok()?.path();
        let thread = folder.file_name()?.to_str()?.parse().ok()?;
        let name = std::fs::read_to_string(folder.join("comm")).ok()?;
        let wanted = names.iter().any(|wanted| name.starts_with(wanted));
        let times = wanted.then(|| std::fs::read_to_string(folder.join("schedstat")).ok())??;
        Some((thread, parse_delay(&times)?))
    };
    tasks(proc).filter_map(read).collect()
}

/// The system's number of the calling thread.
pub(crate) fn own_thread() -> u32 {
    rustix::thread::gettid()
        .as_raw_nonzero()
        .get()
        .unsigned_abs()
}

/// Nanoseconds for which a thread of this process was ready to run, and no CPU ran it; `None` where the kernel does
/// not count.
pub(crate) fn run_delay(thread: u32) -> Option<u64> {
    parse_delay(&std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?)
}

fn tasks(proc: &Path) -> impl Iterator<Item = std::io::Result<std::fs::DirEntry>> {
    let threads = std::fs::read_dir(proc.join("self/task"));
    threads.into_iter().flatten().take(MAX_THREADS)
}

/// `schedstat`: time that it ran, time that it waited to run, and how often it ran.
fn parse_delay(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().nth(1)?.parse().ok()
}

/// `cpuN user nice system idle iowait irq softirq steal ...`; guest time is part of user time. The
/// line of all CPUs together is none of them.
fn parse_cpu(line: &str) -> Option<CpuTicks> {
    let (name, fields) = line.split_once(' ')?;
    let id = name.strip_prefix("cpu")?.parse().ok()?;
    let fields: Vec<u64> = fields
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    let busy = [0, 1, 2, 5, 6];
    let busy = busy.iter().filter_map(|index| fields.get(*index).copied());
    Some(CpuTicks {
        id,
        busy: busy.fold(0, u64::saturating_add),
        stolen: fields.get(7).copied().unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CPUS: &str = "cpu  10 1 2 1000 50 3 4 5 0 0\ncpu0 5 0 1 500 25 1 2 2 0 0\ncpu1 5 1 1 500 25 2 2 3 0 0\nintr 1\n";

    #[test]
    fn the_kernels_files_are_read() {
        let all = Ticks::parse(TWO_CPUS, 0).expect("two CPUs");
        assert_eq!((all.busy(&[]), all.stolen(&[]), all.count(&[])), (20, 5, 2));
        assert_eq!(
            (all.busy(&[1]), all.stolen(&[1]), all.count(&[1])),
            (11, 3, 1)
        );
        assert_eq!(all.count(&[9]), 0);
        let stat = "42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 70 30 0 0 20 0 1 0 1 1 1 1 1 1 1 0 0 0 0 0 0 0 0 0 17 5 0";
        let thread = ThreadTime::parse(stat).expect("a thread");
        let found = (
            thread.thread,
            thread.name.as_str(),
            thread.cpu,
            thread.ticks,
        );
        assert_eq!(found, (42, "a (b) c", 5, 100));
        for text in ["", "cpu", "cpu 1 2", "cpux 1 2", "42 (x) S 1"] {
            assert!(
                parse_cpu(text).is_none() && ThreadTime::parse(text).is_none(),
                "{text}"
            );
        }
        assert!(
            Ticks::read(Path::new("/proc")).is_some(),
            "this host has both files"
        );
        let nowhere = Path::new("/nonexistent");
        assert_eq!(Ticks::read(nowhere), None);
        assert_eq!(ThreadTime::of_workers(nowhere), []);
        assert_eq!(run_delays(nowhere, &["s"]), []);
        assert_eq!(parse_delay("286415 1792126 2\n"), Some(1_792_126));
        for text in ["", "1", "1 x 2"] {
            assert_eq!(parse_delay(text), None, "{text}");
        }
    }

    #[test]
    fn threads_of_this_process_are_found_by_name() {
        let (send, wait) = std::sync::mpsc::channel::<()>();
        let worker = std::thread::Builder::new().name("sysinfer-w1".into());
        let worker = worker.spawn(move || wait.recv()).expect("a thread");
        let proc = Path::new("/proc");
        let found = || {
            let workers = ThreadTime::of_workers(proc);
            let delays = run_delays(proc, &["sysinfer-w1"]);
            let counted = Path::new("/proc/self/schedstat").exists();
            !workers.is_empty() && (!delays.is_empty() || !counted)
        };
        // The thread names itself once it runs.
        let seen = (0..2000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            found()
        });
        drop(send);
        let _ = worker.join();
        assert!(seen);
        assert_eq!(run_delays(proc, &["no such name"]), []);
    }
}
