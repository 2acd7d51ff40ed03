//! CPU time as the kernel counts it: `/proc/stat` by CPU, `/proc/self` for this process, and where
//! each worker thread is. Formats: proc(5).

use std::path::Path;

/// Threads of teams have names that begin so; see the team of `sysinfer-machine`.
const WORKER_PREFIX: &str = "sysinfer-w";
/// More threads than any team has.
const MOST_THREADS: usize = 8192;

/// CPU time since boot, in ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ticks {
    cpus: Vec<CpuTicks>,
    /// This process, all threads.
    pub(super) own: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CpuTicks {
    id: usize,
    /// All processes and interrupts, without stolen time.
    busy: u64,
    stolen: u64,
}

/// A thread of a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Worker {
    /// Thread id.
    pub(super) thread: u32,
    pub(super) name: String,
    /// Where it ran last.
    pub(super) cpu: usize,
    /// Time that it ran.
    pub(super) ticks: u64,
}

impl Ticks {
    /// Busy ticks of the CPUs; of all for an empty list.
    pub(super) fn busy(&self, cpus: &[usize]) -> u64 {
        self.of(cpus)
            .map(|cpu| cpu.busy)
            .fold(0, u64::saturating_add)
    }

    /// Stolen ticks of the CPUs; of all for an empty list.
    pub(super) fn stolen(&self, cpus: &[usize]) -> u64 {
        self.of(cpus)
            .map(|cpu| cpu.stolen)
            .fold(0, u64::saturating_add)
    }

    /// How many of the CPUs there are.
    pub(super) fn count(&self, cpus: &[usize]) -> usize {
        self.of(cpus).count()
    }

    fn of<'a>(&'a self, cpus: &'a [usize]) -> impl Iterator<Item = &'a CpuTicks> {
        let wanted = move |cpu: &&CpuTicks| cpus.is_empty() || cpus.contains(&cpu.id);
        self.cpus.iter().filter(wanted)
    }
}

pub(super) fn read_ticks(proc: &Path) -> Option<Ticks> {
    let stat = std::fs::read_to_string(proc.join("stat")).ok()?;
    let own = std::fs::read_to_string(proc.join("self/stat")).ok()?;
    let cpus: Vec<CpuTicks> = stat.lines().filter_map(parse_cpu).collect();
    let own = parse_thread(&own)?.ticks;
    (!cpus.is_empty()).then_some(Ticks { cpus, own })
}

/// The workers of all teams of this process; none where the system does not tell.
pub(super) fn read_workers(proc: &Path) -> Vec<Worker> {
    let Ok(threads) = std::fs::read_dir(proc.join("self/task")) else {
        return Vec::new();
    };
    let stat = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path().join("stat")).ok();
    threads
        .take(MOST_THREADS)
        .filter_map(|entry| parse_thread(&stat(entry.ok()?)?))
        .filter(|thread| thread.name.starts_with(WORKER_PREFIX))
        .collect()
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

/// Id, name, CPU (field 39) and ticks (14 and 15) of `stat`; the name may hold blanks and brackets.
pub(super) fn parse_thread(stat: &str) -> Option<Worker> {
    let (head, tail) = stat.rsplit_once(')')?;
    let (id, name) = head.split_once('(')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let user: u64 = fields.get(11)?.parse().ok()?;
    let system: u64 = fields.get(12)?.parse().ok()?;
    Some(Worker {
        thread: id.trim().parse().ok()?,
        name: name.to_owned(),
        cpu: fields.get(36)?.parse().ok()?,
        ticks: user.checked_add(system)?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const TWO_CPUS: &str = "cpu  10 1 2 1000 50 3 4 5 0 0\ncpu0 5 0 1 500 25 1 2 2 0 0\ncpu1 5 1 1 500 25 2 2 3 0 0\nintr 1\n";

    /// As read from a host with this `/proc/stat`.
    pub(in super::super) fn ticks(stat: &str, own: u64) -> Ticks {
        let cpus = stat.lines().filter_map(parse_cpu).collect();
        Ticks { cpus, own }
    }

    #[test]
    fn the_kernels_files_are_read() {
        let all = ticks(TWO_CPUS, 0);
        assert_eq!((all.busy(&[]), all.stolen(&[]), all.count(&[])), (20, 5, 2));
        assert_eq!(
            (all.busy(&[1]), all.stolen(&[1]), all.count(&[1])),
            (11, 3, 1)
        );
        assert_eq!(all.count(&[9]), 0);
        let stat = "42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 70 30 0 0 20 0 1 0 1 1 1 1 1 1 1 0 0 0 0 0 0 0 0 0 17 5 0";
        let thread = parse_thread(stat).expect("a thread");
        let found = (
            thread.thread,
            thread.name.as_str(),
            thread.cpu,
            thread.ticks,
        );
        assert_eq!(found, (42, "a (b) c", 5, 100));
        for text in ["", "cpu", "cpu 1 2", "cpux 1 2", "42 (x) S 1"] {
            assert!(
                parse_cpu(text).is_none() && parse_thread(text).is_none(),
                "{text}"
            );
        }
        assert!(
            read_ticks(Path::new("/proc")).is_some(),
            "this host has both files"
        );
        assert_eq!(read_ticks(Path::new("/nonexistent")), None);
        assert_eq!(read_workers(Path::new("/nonexistent")), []);
    }

    #[test]
    fn workers_of_this_process_are_found_by_name() {
        let (send, wait) = std::sync::mpsc::channel::<()>();
        let worker = std::thread::Builder::new().name("sysinfer-w1".into());
        let worker = worker.spawn(move || wait.recv()).expect("a thread");
        // The thread names itself once it runs.
        let seen = (0..2000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            !read_workers(Path::new("/proc")).is_empty()
        });
        drop(send);
        let _ = worker.join();
        assert!(seen);
    }
}
