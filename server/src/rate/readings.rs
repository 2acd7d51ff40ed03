//! What the kernel tells of the CPUs that the engine runs on, read at two moments, and what follows for the time
//! between them.

use std::path::Path;

use sysinfer_machine::{Throttling, Ticks, run_delays, throttling};

/// The threads that take a step begin so: the team's workers, and its leader.
const ENGINE_THREADS: [&str; 2] = ["sysinfer-w", "sysinfer-engine"];
/// CPUs whose clock rate is read: each costs a question to the hardware on some hosts.
const MOST_CLOCKS: usize = 8;
/// `USER_HZ`, the unit of `/proc/stat` for programs, on every architecture that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// What is read at a moment. What the host does not tell is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    /// What the CPU quota has taken.
    pub throttling: Option<Throttling>,
    /// CPU time by CPU.
    pub ticks: Option<Ticks>,
    /// By thread of the engine: nanoseconds that it was ready and no CPU ran it.
    pub delays: Vec<(u32, u64)>,
    /// Mean clock rate of the first CPUs of the team, kHz.
    pub clock_khz: Option<f64>,
    /// How often the hardware has lowered clock rates because of heat.
    pub hot: Option<u64>,
}

impl Readings {
    /// Of this host; `cpus`: those of the team, empty where it is not pinned.
    pub fn of_this_host(cpus: &[usize]) -> Self {
        Self {
            throttling: throttling(),
            ..Self::below(Path::new("/"), cpus)
        }
    }

    /// What `proc` and `sys` below `root` tell, which may be recorded ones.
    pub fn below(root: &Path, cpus: &[usize]) -> Self {
        let proc = root.join("proc");
        let system = root.join("sys/devices/system/cpu");
        let number = |cpu: usize, file: &str| -> Option<u64> {
            let path = system.join(format!("cpu{cpu}/{file}"));
            std::fs::read_to_string(path).ok()?.trim().parse().ok()
        };
        let cpus = match cpus {
            [] => &[0],
            cpus => &cpus[..cpus.len().min(MOST_CLOCKS)],
        };
        let of_each = |file: &str| -> Vec<u64> {
            let numbers = cpus.iter().filter_map(|cpu| number(*cpu, file));
            numbers.collect()
        };
        let clocks = of_each("cpufreq/scaling_cur_freq");
        let cores = of_each("thermal_throttle/core_throttle_count");
        let package = number(cpus[0], "thermal_throttle/package_throttle_count");
        let mean = || clocks.iter().map(|khz| *khz as f64).sum::<f64>() / clocks.len() as f64;
        let hot = cores.into_iter().chain(package).reduce(u64::saturating_add);
        Self {
            throttling: None,
            ticks: Ticks::read(&proc),
            delays: run_delays(&proc, &ENGINE_THREADS),
            clock_khz: (!clocks.is_empty()).then(mean),
            hot,
        }
    }
}

/// What happened between two readings: each loss is a part, from 0 to 1, of the time in which steps were taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// The quota stopped the team.
    pub quota: f64,
    /// Scheduling periods that it cut short.
    pub periods: u64,
    /// The hypervisor gave one of the team's CPUs to others.
    pub stolen: f64,
    /// A thread of the team was ready, and its CPU ran something else.
    pub delayed: f64,
    /// The clock was below the highest rate that was seen.
    pub clock: f64,
    /// The hardware lowered clock rates because of heat.
    pub hot: bool,
    /// How what runs differs from what was measured.
    pub difference: Option<String>,
}

/// The team that steps are taken by, and when.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// CPUs of the team; empty: not pinned.
    pub cpus: &'a [usize],
    /// Its threads.
    pub threads: usize,
    /// Time between the readings.
    pub wall_seconds: f64,
    /// Time of steps in it.
    pub step_seconds: f64,
    /// Highest clock rate that was seen since the server began, kHz.
    pub highest_khz: Option<f64>,
}

impl Evidence {
    /// What follows from two readings.
    pub fn between(before: &Readings, after: &Readings, span: Span<'_>) -> Self {
        let of_steps = |seconds: f64| match span.step_seconds > 0.0 {
            true => (seconds / span.step_seconds).clamp(0.0, 1.0),
            false => 0.0,
        };
        let taken = before.throttling.zip(after.throttling);
        let taken = taken.map_or(Throttling::default(), |(before, after)| Throttling {
            periods: after.periods.saturating_sub(before.periods),
            nanoseconds: after.nanoseconds.saturating_sub(before.nanoseconds),
        });
        let quota = of_steps(taken.nanoseconds as f64 / 1e9 / span.threads.max(1) as f64);
        let ticks = before.ticks.as_ref().zip(after.ticks.as_ref());
        let stolen = ticks.map_or(0.0, |(before, after)| stolen(before, after, span.cpus));
        // Where the kernel does not count what threads waited, others' time on their CPUs is nearest to it.
        let delayed = match longest_delay(&before.delays, &after.delays) {
            Some(seconds) => of_steps(seconds),
            None => ticks.map_or(0.0, |(before, after)| {
                others(before, after, span.cpus, span.wall_seconds)
            }),
        };
        let clock = after.clock_khz.zip(span.highest_khz);
        let clock = clock.map_or(0.0, |(now, highest)| (1.0 - now / highest).clamp(0.0, 1.0));
        Self {
            quota,
            periods: taken.periods,
            stolen: of_steps(stolen),
            // A thread that a quota stops is ready and does not run.
            delayed: (delayed - quota).max(0.0),
            clock,
            hot: before
                .hot
                .zip(after.hot)
                .is_some_and(|(before, after)| after > before),
            difference: None,
        }
    }
}

/// Seconds that the hypervisor took of the CPU that it took most of: a step waits for its slowest worker.
fn stolen(before: &Ticks, after: &Ticks, cpus: &[usize]) -> f64 {
    let of = |cpus: &[usize]| after.stolen(cpus).saturating_sub(before.stolen(cpus));
    let most = match cpus {
        [] => of(&[]) / after.count(&[]).max(1) as u64,
        cpus => cpus.iter().map(|cpu| of(&[*cpu])).max().unwrap_or(0),
    };
    most as f64 / TICKS_PER_SECOND
}

/// The part of the team's CPUs that others took.
fn others(before: &Ticks, after: &Ticks, cpus: &[usize], seconds: f64) -> f64 {
    let own = after.own.saturating_sub(before.own);
    let busy = after.busy(cpus).saturating_sub(before.busy(cpus));
    let all = seconds * TICKS_PER_SECOND * after.count(cpus).max(1) as f64;
    match all > 0.0 {
        true => (busy.saturating_sub(own) as f64 / all).min(1.0),
        false => 0.0,
    }
}

/// Seconds that the thread waited that waited longest; `None`: nobody counts.
fn longest_delay(before: &[(u32, u64)], after: &[(u32, u64)]) -> Option<f64> {
    let waited = |(thread, now): &(u32, u64)| {
        let earlier = before.iter().find(|(earlier, _)| earlier == thread)?;
        Some(now.saturating_sub(earlier.1))
    };
    let longest = after.iter().filter_map(waited).max()?;
    Some(longest as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two CPUs after so many busy and stolen ticks each.
    fn ticks(busy: [u64; 2], stolen: [u64; 2], own: u64) -> Option<Ticks> {
        let line = |cpu: usize| format!("cpu{cpu} {} 0 0 0 0 0 0 {} 0 0\n", busy[cpu], stolen[cpu]);
        Ticks::parse(&(line(0) + &line(1)), own)
    }

    fn begin() -> Readings {
        Readings {
            throttling: Some(Throttling {
                periods: 5,
                nanoseconds: 7,
            }),
            ticks: ticks([100, 100], [3, 3], 50),
            delays: vec![(7, 1_000), (8, 2_000)],
            clock_khz: Some(2e6),
            hot: Some(4),
        }
    }

    fn span() -> Span<'static> {
        Span {
            cpus: &[0, 1],
            threads: 2,
            wall_seconds: 10.0,
            step_seconds: 8.0,
            highest_khz: Some(2e6),
        }
    }

    fn between(change: impl Fn(&mut Readings)) -> Evidence {
        let mut after = begin();
        change(&mut after);
        Evidence::between(&begin(), &after, span())
    }

    #[test]
    fn losses_are_parts_of_the_time_of_steps() {
        assert_eq!(between(|_| {}), Evidence::default());
        let taken = between(|after| {
            after.throttling = Some(Throttling {
                periods: 35,
                nanoseconds: 4_000_000_007,
            });
        });
        assert_eq!(
            (taken.quota, taken.periods),
            (0.25, 30),
            "two threads of 8 s each"
        );
        let stolen = between(|after| after.ticks = ticks([100, 100], [3, 203], 50));
        assert_eq!(stolen.stolen, 0.25, "2 of 8 s");
        let delayed = between(|after| after.delays = vec![(7, 1_000), (8, 6_000_002_000), (9, 9)]);
        assert_eq!(delayed.delayed, 0.75);
        let slow = between(|after| after.clock_khz = Some(1.5e6));
        assert_eq!(slow.clock, 0.25);
        assert!(between(|after| after.hot = Some(5)).hot);
    }

    #[test]
    fn what_a_quota_stops_is_not_blamed_on_others() {
        let both = between(|after| {
            after.throttling = Some(Throttling {
                periods: 35,
                nanoseconds: 8_000_000_007,
            });
            after.delays[0].1 += 5_000_000_000;
        });
        assert_eq!((both.quota, both.delayed), (0.5, 0.125));
    }

    #[test]
    fn where_nobody_counts_waiting_others_time_is_taken() {
        let mut before = begin();
        before.delays.clear();
        let mut after = before.clone();
        after.ticks = ticks([600, 100], [3, 3], 150);
        let found = Evidence::between(&before, &after, span());
        assert_eq!(found.delayed, 0.2, "400 of 2000 ticks");
        let nothing = Readings::default();
        let found = Evidence::between(&nothing, &nothing, span());
        assert_eq!(found, Evidence::default());
    }

    #[test]
    fn a_recorded_host_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        write("proc/stat", "cpu0 1 0 0 0 0 0 0 2 0 0\n");
        let zeros = "0 ".repeat(21);
        write(
            "proc/self/stat",
            &format!("9 (x) R 1 2 3 4 5 6 7 8 9 10 70 0 {zeros} 17 5 0\n"),
        );
        for (thread, name, delay) in [
            (11, "sysinfer-w1", 5),
            (12, "sysinfer-engine", 6),
            (13, "sysinfer-http", 7),
        ] {
            write(
                &format!("proc/self/task/{thread}/comm"),
                &format!("{name}\n"),
            );
            write(
                &format!("proc/self/task/{thread}/schedstat"),
                &format!("1 {delay} 1\n"),
            );
        }
        for (cpu, khz) in [(2, 1000), (3, 3000)] {
            let cpu = format!("sys/devices/system/cpu/cpu{cpu}");
            write(
                &format!("{cpu}/cpufreq/scaling_cur_freq"),
                &format!("{khz}\n"),
            );
            write(
                &format!("{cpu}/thermal_throttle/core_throttle_count"),
                "4\n",
            );
            write(
                &format!("{cpu}/thermal_throttle/package_throttle_count"),
                "1\n",
            );
        }
        let mut found = Readings::below(folder.path(), &[2, 3]);
        found.delays.sort_unstable();
        let wanted = Readings {
            throttling: None,
            ticks: Ticks::parse("cpu0 1 0 0 0 0 0 0 2 0 0\n", 70),
            delays: vec![(11, 5), (12, 6)],
            clock_khz: Some(2000.0),
            hot: Some(9),
        };
        assert_eq!(found, wanted);
        let nowhere = Readings::below(Path::new("/nonexistent"), &[]);
        assert_eq!(nowhere, Readings::default());
    }
}
