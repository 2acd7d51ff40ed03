//! Was the host fit to measure while a sample was taken? Throttling by the control group, time that
//! the hypervisor took, load from others and workers off their CPUs all make a sample worthless;
//! none of them shows in the sample itself.

mod programs;
pub mod wait;

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use sysinfer_machine::{ThreadTime, Ticks, throttled_periods};
use sysinfer_probe::{Disturbance, VoidKind};

/// Others may use this share of the CPUs: the noise of an idle host.
const OTHERS_SHARE: f64 = 0.10;
/// The hypervisor may take this share of the team's CPUs.
const STOLEN_SHARE: f64 = 0.02;
/// Ticks that may be counted wrongly: those that a sample begins and ends in.
const TICK_ERROR: u64 = 2;
/// Kernels count CPU time in ticks, so that load cannot be seen in less time than this: shorter
/// samples are judged together with those just before them.
const MIN_SECONDS: f64 = 0.1;
/// What was longer ago says nothing about a sample.
const MAX_WINDOW: Duration = Duration::from_secs(1);
/// `USER_HZ`, the unit of `/proc/stat` for programs, is 100 on every architecture Linux runs on
/// but two that are not ours.
const TICKS_PER_SECOND: f64 = 100.0;

/// Watches the host over the samples of a run.
#[derive(Default)]
pub struct Watch {
    team: Vec<usize>,
    /// Readings of the last second, the one at the start of the sample last.
    earlier: VecDeque<(Instant, Counters)>,
}

/// What is read before and after a sample; `None`: the host does not tell.
#[derive(Clone, Debug, Default, PartialEq)]
struct Counters {
    throttled: Option<u64>,
    ticks: Option<Ticks>,
    workers: Vec<ThreadTime>,
}

/// The counters at the start of a sample, and at the start of the time that is looked at for load:
/// the same, or earlier where the sample is too short to be judged alone.
struct Start<'a> {
    sample: &'a Counters,
    window: &'a Counters,
    window_seconds: f64,
}

impl Watch {
    /// A sample begins. `team`: the CPUs that it is pinned to; empty: none.
    pub fn start(&mut self, team: &[usize]) {
        self.team = team.to_vec();
        let now = Instant::now();
        self.earlier
            .retain(|(at, _)| now.duration_since(*at) <= MAX_WINDOW);
        self.earlier.push_back((now, Counters::read()));
    }

    /// Why what was measured since the start does not count, if so.
    pub fn disturbance(&self) -> Option<Disturbance> {
        let after = Counters::read();
        let (_, sample) = self.earlier.back()?;
        let seconds = |at: &Instant| at.elapsed().as_secs_f64();
        let mut latest = self.earlier.iter().rev();
        let long_enough = latest.find(|(at, _)| seconds(at) >= MIN_SECONDS);
        // Without one, load cannot be judged; throttling can.
        let (at, window) = long_enough.or(self.earlier.back())?;
        let start = Start {
            sample,
            window,
            window_seconds: seconds(at),
        };
        judge(&start, &after, &self.team)
    }
}

impl Counters {
    fn read() -> Self {
        let proc = Path::new("/proc");
        Self {
            throttled: throttled_periods(),
            ticks: Ticks::read(proc),
            workers: ThreadTime::of_workers(proc),
        }
    }
}

/// The gravest disturbance first: what stops the process altogether, then what slows it down.
fn judge(start: &Start<'_>, after: &Counters, team: &[usize]) -> Option<Disturbance> {
    let ticks = start.window.ticks.as_ref().zip(after.ticks.as_ref());
    throttling(start.sample.throttled, after.throttled)
        .or_else(|| migration(&start.sample.workers, &after.workers, team))
        .or_else(|| {
            let (before, after) = ticks?;
            stealing(before, after, team, start.window_seconds)
        })
        .or_else(|| {
            let (before, after) = ticks?;
            others(before, after, team, start.window_seconds)
        })
}

fn throttling(before: Option<u64>, after: Option<u64>) -> Option<Disturbance> {
    let periods = after?.checked_sub(before?)?;
    (periods > 0).then(|| {
        let why = format!("the control group was throttled in {periods} periods");
        Disturbance::new(VoidKind::Throttled, why)
    })
}

/// A worker of a pinned team that worked during the sample and is on another CPU than before, or on
/// none of the team's: its pin was taken away, as when the cpuset changes.
fn migration(before: &[ThreadTime], after: &[ThreadTime], team: &[usize]) -> Option<Disturbance> {
    if team.is_empty() {
        return None;
    }
    after.iter().find_map(|worker| {
        let earlier = before
            .iter()
            .find(|earlier| earlier.thread == worker.thread)?;
        let worked = worker.ticks.saturating_sub(earlier.ticks) > TICK_ERROR;
        let (from, to) = (earlier.cpu, worker.cpu);
        (worked && (from != to || !team.contains(&to))).then(|| {
            let why = match from == to {
                true => format!(
                    "worker {} ran on CPU {to}, which is not its team's",
                    worker.name
                ),
                false => format!("worker {} moved from CPU {from} to CPU {to}", worker.name),
            };
            Disturbance::new(VoidKind::Migrated, why)
        })
    })
}

fn stealing(before: &Ticks, after: &Ticks, team: &[usize], seconds: f64) -> Option<Disturbance> {
    let stolen = after.stolen(team).saturating_sub(before.stolen(team));
    let share = stolen as f64 / available(after.count(team), seconds)?;
    (stolen > TICK_ERROR && share > STOLEN_SHARE).then(|| {
        let why = format!("the hypervisor took {:.0} % of the CPUs", 100.0 * share);
        Disturbance::new(VoidKind::Stolen, why)
    })
}

/// Load on the team's CPUs, or on the whole host: there it takes bandwidth and clock rate.
fn others(before: &Ticks, after: &Ticks, team: &[usize], seconds: f64) -> Option<Disturbance> {
    [team, &[]].into_iter().find_map(|cpus| {
        let theirs = others_ticks(before, after, cpus);
        let share = theirs as f64 / available(after.count(cpus), seconds)?;
        let whose = if cpus.is_empty() { "the" } else { "the team's" };
        (theirs > TICK_ERROR && share > OTHERS_SHARE).then(|| {
            let why = format!("other load took {:.0} % of {whose} CPUs", 100.0 * share);
            Disturbance::new(VoidKind::Busy, why)
        })
    })
}

/// Ticks that others took of the CPUs; of all for an empty list.
fn others_ticks(before: &Ticks, after: &Ticks, cpus: &[usize]) -> u64 {
    let own = after.own.saturating_sub(before.own);
    let busy = after.busy(cpus).saturating_sub(before.busy(cpus));
    busy.saturating_sub(own)
}

/// Ticks that so many CPUs had; `None` for a sample too short to be judged.
fn available(cpus: usize, seconds: f64) -> Option<f64> {
    (seconds >= MIN_SECONDS && cpus > 0).then_some(seconds * TICKS_PER_SECOND * cpus as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CPUS: &str =
        "cpu  10 1 2 1000 50 3 4 5 0 0\ncpu0 5 0 1 500 25 1 2 2 0 0\ncpu1 5 1 1 500 25 2 2 3 0 0\n";

    fn counters(throttled: u64, text: &str, own: u64, cpu: usize) -> Counters {
        Counters {
            throttled: Some(throttled),
            ticks: Ticks::parse(text, own),
            workers: vec![ThreadTime {
                thread: 7,
                name: "sysinfer-w1".into(),
                cpu,
                ticks: own,
            }],
        }
    }

    /// A sample that is judged alone.
    fn start(before: &Counters, seconds: f64) -> Start<'_> {
        Start {
            sample: before,
            window: before,
            window_seconds: seconds,
        }
    }

    /// What two CPUs did in a second: user ticks and stolen ticks of each.
    fn after(cpu0: (u64, u64), cpu1: (u64, u64)) -> String {
        format!(
            "cpu  {} 1 2 1000 50 3 4 {} 0 0\ncpu0 {} 0 1 500 25 1 2 {} 0 0\ncpu1 {} 1 1 500 25 2 2 {} 0 0\n",
            10 + cpu0.0 + cpu1.0,
            5 + cpu0.1 + cpu1.1,
            5 + cpu0.0,
            2 + cpu0.1,
            5 + cpu1.0,
            3 + cpu1.1
        )
    }

    /// A name; throttled periods, `/proc/stat`, own ticks and the worker's CPU after the sample; the
    /// team; words of the verdict.
    type Case<'a> = (
        &'a str,
        u64,
        String,
        u64,
        usize,
        &'a [usize],
        Option<&'a str>,
    );

    #[test]
    fn disturbances_are_told_from_noise() {
        let before = counters(4, TWO_CPUS, 500, 1);
        let both: &[usize] = &[0, 1];
        let cases: [Case<'_>; 10] = [
            ("own work", 4, after((100, 0), (100, 0)), 700, 1, both, None),
            ("noise", 4, after((100, 0), (100, 0)), 685, 1, both, None),
            (
                "throttled",
                6,
                after((9, 0), (9, 0)),
                518,
                1,
                both,
                Some("throttled in 2 periods"),
            ),
            (
                "stolen",
                4,
                after((80, 20), (100, 0)),
                680,
                1,
                both,
                Some("took 10 % of the CPUs"),
            ),
            (
                "a tick stolen",
                4,
                after((99, 1), (100, 0)),
                699,
                1,
                both,
                None,
            ),
            (
                "half of a core",
                4,
                after((100, 0), (100, 0)),
                650,
                1,
                both,
                Some("25 % of the team's"),
            ),
            (
                "beside the team",
                4,
                after((100, 0), (100, 0)),
                600,
                1,
                &[1],
                Some("50 % of the CPUs"),
            ),
            (
                "migrated",
                4,
                after((100, 0), (100, 0)),
                700,
                0,
                both,
                Some("from CPU 1 to CPU 0"),
            ),
            (
                "on a CPU of others",
                4,
                after((100, 0), (100, 0)),
                700,
                1,
                &[0],
                Some("ran on CPU 1, which is not its team's"),
            ),
            (
                "not pinned",
                4,
                after((100, 0), (100, 0)),
                700,
                0,
                &[],
                None,
            ),
        ];
        for (name, throttled, text, own, cpu, team, words) in cases {
            let found = judge(
                &start(&before, 1.0),
                &counters(throttled, &text, own, cpu),
                team,
            );
            assert_eq!(found.is_some(), words.is_some(), "{name}: {found:?}");
            let why = found.map(|found| found.why).unwrap_or_default();
            assert!(why.contains(words.unwrap_or("")), "{name}: {why}");
        }
        let loud = counters(4, &after((100, 0), (100, 0)), 600, 1);
        assert_eq!(
            judge(&start(&before, 0.01), &loud, both),
            None,
            "too short to tell"
        );
        let nothing = Counters::default();
        assert_eq!(
            judge(&start(&nothing, 1.0), &nothing, both),
            None,
            "nothing is known"
        );
    }

    #[test]
    fn a_short_sample_is_judged_with_those_before_it() {
        let before = counters(4, TWO_CPUS, 500, 1);
        let begin = counters(4, &after((90, 0), (90, 0)), 590, 1);
        let end = counters(4, &after((100, 0), (100, 0)), 600, 1);
        let together = Start {
            sample: &begin,
            window: &before,
            window_seconds: 1.0,
        };
        let found = judge(&together, &end, &[0, 1]).expect("load in the second before it");
        assert_eq!(found.kind, VoidKind::Busy);
        let mut watch = Watch::default();
        (0..3).for_each(|_| watch.start(&[]));
        assert_eq!(watch.earlier.len(), 3);
    }

    #[test]
    fn a_worker_that_slept_does_not_count() {
        let mut before = counters(4, TWO_CPUS, 500, 1);
        let mut moved = counters(4, TWO_CPUS, 500, 0);
        assert_eq!(judge(&start(&before, 1.0), &moved, &[0, 1]), None);
        before.workers[0].ticks = 0;
        moved.workers[0].ticks = 90;
        let found = judge(&start(&before, 1.0), &moved, &[0, 1]).expect("it worked");
        assert_eq!(found.kind, VoidKind::Migrated);
    }
}
