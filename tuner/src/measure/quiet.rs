//! Was the host fit to measure while a sample was taken? Throttling by the control group and load
//! from others both make a sample worthless; neither shows in the sample itself.

use std::time::Instant;

use sysinfer_machine::throttled_periods;

/// Others may use this share of the CPUs: the noise of an idle host.
const OTHERS_SHARE: f64 = 0.10;
/// Kernels count CPU time in ticks of this length, so that shorter samples cannot be judged.
const SHORTEST_SECONDS: f64 = 0.1;
/// `USER_HZ`, the unit of `/proc/stat` for programs, is 100 on every architecture Linux runs on
/// but two that are not ours.
const TICKS_PER_SECOND: f64 = 100.0;

/// The host's counters at the start of a sample.
pub struct Watch {
    started: Instant,
    throttled: Option<u64>,
    ticks: Option<Ticks>,
}

/// CPU time since boot, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    /// All CPUs, all processes, stolen time included.
    busy: u64,
    /// This process.
    own: u64,
    cpus: u64,
}

impl Watch {
    /// Reads the counters.
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            throttled: throttled_periods(),
            ticks: read_ticks(),
        }
    }

    /// Why what was measured since the start does not count, if so.
    pub fn disturbance(&self) -> Option<String> {
        throttling(self.throttled, throttled_periods()).or_else(|| {
            let seconds = self.started.elapsed().as_secs_f64();
            others(self.ticks?, read_ticks()?, seconds)
        })
    }
}

fn throttling(before: Option<u64>, after: Option<u64>) -> Option<String> {
    let periods = after?.checked_sub(before?)?;
    (periods > 0).then(|| format!("the control group was throttled in {periods} periods"))
}

fn others(before: Ticks, after: Ticks, seconds: f64) -> Option<String> {
    if seconds < SHORTEST_SECONDS {
        return None;
    }
    let busy = after.busy.saturating_sub(before.busy);
    let own = after.own.saturating_sub(before.own);
    let available = seconds * TICKS_PER_SECOND * after.cpus as f64;
    let share = busy.saturating_sub(own) as f64 / available;
    (share > OTHERS_SHARE).then(|| format!("other load took {:.0} % of the CPUs", 100.0 * share))
}

fn read_ticks() -> Option<Ticks> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let own = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (busy, cpus) = parse_busy(&stat)?;
    Some(Ticks {
        busy,
        cpus,
        own: parse_own(&own)?,
    })
}

/// Busy ticks of all CPUs, and how many CPUs there are (proc(5): user nice system idle iowait irq
/// softirq steal; guest time is part of user time).
fn parse_busy(stat: &str) -> Option<(u64, u64)> {
    let mut lines = stat.lines();
    let total = lines.next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = total
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    let busy = [0, 1, 2, 5, 6, 7]
        .iter()
        .filter_map(|index| fields.get(*index))
        .sum();
    let cpus = lines.take_while(|line| line.starts_with("cpu")).count() as u64;
    (cpus > 0).then_some((busy, cpus))
}

/// User and system ticks of this process: fields 14 and 15, behind a name that may hold blanks.
fn parse_own(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let stat = "cpu  10 1 2 1000 50 3 4 5 0 0\ncpu0 5 0 1 500 25 1 2 2 0 0\ncpu1 5 1 1 500 25 2 2 3 0 0\nintr 1\n";
        assert_eq!(parse_busy(stat), Some((25, 2)));
        let own = "42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 70 30 0 0 20 0";
        assert_eq!(parse_own(own), Some(100));
        assert!(read_ticks().is_some(), "this host has both files");
        for text in ["", "cpu", "cpu 1 2", "42 (x) S 1"] {
            assert_eq!((parse_busy(text), parse_own(text)), (None, None), "{text}");
        }
    }

    #[test]
    fn disturbances_are_told_from_noise() {
        let ticks = |busy, own| Ticks { busy, own, cpus: 2 };
        let (before, quiet, loud) = (ticks(1000, 500), ticks(1210, 700), ticks(1400, 700));
        assert_eq!(others(before, quiet, 1.0), None);
        assert!(others(before, loud, 1.0).is_some_and(|why| why.contains("100 %")));
        assert_eq!(others(before, loud, 0.01), None, "too short to tell");
        assert_eq!(throttling(Some(4), Some(4)), None);
        assert_eq!(throttling(None, Some(4)), None);
        assert!(throttling(Some(4), Some(6)).is_some_and(|why| why.contains("2 periods")));
    }
}
