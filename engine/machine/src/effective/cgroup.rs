//! Where this process stands in the cgroup hierarchy and what is written there: version 2
//! (`cpu.max`, `memory.high`, `memory.max`) and version 1 (`cpu.cfs_quota_us`,
//! `memory.limit_in_bytes`). The functions take file contents, so that every layout of containers can be
//! tested anywhere.

use std::path::{Path, PathBuf};

use super::taken::Throttling;

/// The directories of this process' cgroup that a controller governs, from its own up to the mount.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    version: Version,
    directories: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// Contents of a file, if it can be read.
pub(super) fn read_file(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

impl Hierarchy {
    /// The hierarchy that governs CPU time.
    pub(super) fn of_this_process() -> Option<Hierarchy> {
        Hierarchy::of_controller("cpu")
    }

    /// The hierarchy of a controller (`cpu`, `memory`).
    pub(super) fn of_controller(controller: &str) -> Option<Hierarchy> {
        let cgroups = read_file(Path::new("/proc/self/cgroup"))?;
        let mounts = read_file(Path::new("/proc/self/mountinfo"))?;
        Hierarchy::find_controller(&cgroups, &mounts, controller)
    }

    /// From the contents of `/proc/self/cgroup` and `/proc/self/mountinfo`. On hybrid systems the
    /// `cpu` controller is where version 1 has it.
    pub(super) fn find(cgroups: &str, mounts: &str) -> Option<Hierarchy> {
        Hierarchy::find_controller(cgroups, mounts, "cpu")
    }

    /// As [`Hierarchy::find`], for any controller.
    pub(super) fn find_controller(
        cgroups: &str,
        mounts: &str,
        controller: &str,
    ) -> Option<Hierarchy> {
        [Version::One, Version::Two]
            .into_iter()
            .find_map(|version| {
                let own = own_path(cgroups, version, controller)?;
                let (root, mount_point) = mount(mounts, version, controller)?;
                // In a container the mount shows a subtree only; a path outside it cannot be seen, and
                // the mount point is then the nearest that can.
                let below = Path::new(own).strip_prefix(&root).unwrap_or(Path::new(""));
                let directories = below
                    .ancestors()
                    .map(|below| mount_point.join(below))
                    .collect();
                Some(Hierarchy {
                    version,
                    directories,
                })
            })
    }

    /// The smallest quota on the way up, in CPUs.
    pub(super) fn quota(&self, read: &impl Fn(&Path) -> Option<String>) -> Option<f64> {
        let quota = |directory: &PathBuf| match self.version {
            Version::Two => quota_v2(&read(&directory.join("cpu.max"))?),
            Version::One => quota_v1(
                &read(&directory.join("cpu.cfs_quota_us"))?,
                &read(&directory.join("cpu.cfs_period_us"))?,
            ),
        };
        self.directories
            .iter()
            .filter_map(quota)
            .min_by(f64::total_cmp)
    }

    /// The smallest limit of memory on the way up, in bytes.
    pub(super) fn memory_limit(&self, read: &impl Fn(&Path) -> Option<String>) -> Option<u64> {
        let limit = |directory: &PathBuf| self.limit_at(directory, read);
        self.directories.iter().filter_map(limit).min()
    }

    /// The least memory that a limit on the way up leaves, in bytes.
    pub(super) fn memory_left(&self, read: &impl Fn(&Path) -> Option<String>) -> Option<u64> {
        let left = |directory: &PathBuf| {
            let limit = self.limit_at(directory, read)?;
            // A limit is a bound even where nobody says how much of it is taken.
            let taken = self.taken_at(directory, read).unwrap_or(0);
            Some(limit.saturating_sub(taken))
        };
        self.directories.iter().filter_map(left).min()
    }

    /// The limit of memory that one cgroup has itself, in bytes.
    fn limit_at(&self, directory: &Path, read: &impl Fn(&Path) -> Option<String>) -> Option<u64> {
        let files: &[&str] = match self.version {
            // Above `memory.high` nobody is killed, but all are stopped until memory is taken back.
            Version::Two => &["memory.high", "memory.max"],
            Version::One => &["memory.limit_in_bytes"],
        };
        // "max" is no number, so no limit; version 1 says "none" by a number beyond all memory.
        let limit = |file: &&str| number(&read(&directory.join(file))?);
        files.iter().filter_map(limit).min()
    }

    /// Memory that one cgroup and those below it hold, in bytes, without pages of files that were not
    /// used lately: these the kernel takes back before it refuses anything.
    fn taken_at(&self, directory: &Path, read: &impl Fn(&Path) -> Option<String>) -> Option<u64> {
        let (usage, unused_pages) = match self.version {
            Version::Two => ("memory.current", "inactive_file"),
            Version::One => ("memory.usage_in_bytes", "total_inactive_file"),
        };
        let usage = number(&read(&directory.join(usage))?)?;
        let statistics = read(&directory.join("memory.stat")).unwrap_or_default();
        let unused = field(&statistics, unused_pages).unwrap_or(0);
        Some(usage.saturating_sub(unused))
    }

    /// Throttled periods on the way up, added: each cgroup counts what its own quota does.
    pub(super) fn throttled_periods(&self, read: &impl Fn(&Path) -> Option<String>) -> Option<u64> {
        let count =
            |directory: &PathBuf| field(&read(&directory.join("cpu.stat"))?, "nr_throttled");
        self.directories
            .iter()
            .filter_map(count)
            .reduce(u64::saturating_add)
    }

    /// The same with the time that it cost.
    pub(super) fn throttling(&self, read: &impl Fn(&Path) -> Option<String>) -> Option<Throttling> {
        let taken = |directory: &PathBuf| {
            let statistics = read(&directory.join("cpu.stat"))?;
            let nanoseconds = match self.version {
                Version::Two => field(&statistics, "throttled_usec")?.saturating_mul(1000),
                Version::One => field(&statistics, "throttled_time")?,
            };
            let periods = field(&statistics, "nr_throttled")?;
            Some(Throttling {
                periods,
                nanoseconds,
            })
        };
        let sum = |one: Throttling, other: Throttling| Throttling {
            periods: one.periods.saturating_add(other.periods),
            nanoseconds: one.nanoseconds.saturating_add(other.nanoseconds),
        };
        self.directories.iter().filter_map(taken).reduce(sum)
    }
}

/// This process' path in the hierarchy: the line `0::PATH`, or `N:...,cpu,...:PATH`.
fn own_path<'c>(cgroups: &'c str, version: Version, controller: &str) -> Option<&'c str> {
    cgroups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let matches = match version {
            Version::Two => number == "0" && controllers.is_empty(),
            Version::One => controllers.split(',').any(|name| name == controller),
        };
        matches.then_some(path)
    })
}

/// Root within the hierarchy and mount point of the matching cgroup mount; format in proc(5).
fn mount(mounts: &str, version: Version, controller: &str) -> Option<(PathBuf, PathBuf)> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, mount_point) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1)?);
        let matches = match version {
            Version::Two => kind == "cgroup2",
            Version::One => {
                kind == "cgroup" && options.split(',').any(|option| option == controller)
            }
        };
        matches.then(|| {
            (
                PathBuf::from(unescaped(root)),
                PathBuf::from(unescaped(mount_point)),
            )
        })
    })
}

/// Blanks and backslashes of paths are octal in mountinfo.
fn unescaped(path: &str) -> String {
    path.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

/// `cpu.max`: "max 100000" or "QUOTA PERIOD" in microseconds.
fn quota_v2(cpu_max: &str) -> Option<f64> {
    let mut words = cpu_max.split_whitespace();
    // The kernel's default period, should the word be missing.
    cpus(words.next()?, words.next().unwrap_or("100000"))
}

/// `cpu.cfs_quota_us` (-1: none) and `cpu.cfs_period_us`.
fn quota_v1(quota: &str, period: &str) -> Option<f64> {
    cpus(quota.trim(), period.trim())
}

/// "max" and "-1" are no unsigned numbers, so no limit.
fn cpus(quota: &str, period: &str) -> Option<f64> {
    let quota: u64 = quota.parse().ok()?;
    let period: u64 = period.parse().ok().filter(|&period| period > 0)?;
    Some(quota as f64 / period as f64)
}

/// The text of a file that holds one number.
fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The number in a line `NAME NUMBER` of `cpu.stat` or `memory.stat`.
fn field(statistics: &str, name: &str) -> Option<u64> {
    let value = |line: &str| number(line.strip_prefix(name)?.strip_prefix(' ')?);
    statistics.lines().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2_MOUNT: &str =
        "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    fn paths(hierarchy: &Hierarchy) -> Vec<&str> {
        hierarchy
            .directories
            .iter()
            .map(|path| path.to_str().unwrap().trim_end_matches('/'))
            .collect()
    }

    #[test]
    fn finds_the_way_up() {
        let host = Hierarchy::find("0::/system.slice/a.service\n", V2_MOUNT).unwrap();
        let expected = [
            "/sys/fs/cgroup/system.slice/a.service",
            "/sys/fs/cgroup/system.slice",
            "/sys/fs/cgroup",
        ];
        assert_eq!(paths(&host), expected);
        let private_namespace = Hierarchy::find("0::/\n", V2_MOUNT).unwrap();
        assert_eq!(paths(&private_namespace), ["/sys/fs/cgroup"]);
        let host_namespace = Hierarchy::find(
            "0::/docker/abc/job\n",
            "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
        );
        assert_eq!(
            paths(&host_namespace.unwrap()),
            ["/sys/fs/cgroup/job", "/sys/fs/cgroup"]
        );
        let elsewhere = Hierarchy::find(
            "0::/../other\n",
            "30 23 0:26 /docker/abc /sys/fs/my\\040cgroup ro - cgroup2 cgroup rw\n",
        );
        assert_eq!(paths(&elsewhere.unwrap()), ["/sys/fs/my cgroup"]);
    }

    #[test]
    fn version_one_wins_where_it_has_the_cpu_controller() {
        let cgroups = "12:cpuset:/\n5:cpu,cpuacct:/docker/abc\n0::/system.slice\n";
        let mounts =
            "33 32 0:29 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n";
        let hybrid = Hierarchy::find(cgroups, &format!("{V2_MOUNT}{mounts}")).unwrap();
        assert_eq!(hybrid.version, Version::One);
        assert_eq!(paths(&hybrid), ["/sys/fs/cgroup/cpu,cpuacct"]);
        assert_eq!(
            Hierarchy::find(cgroups, V2_MOUNT).unwrap().version,
            Version::Two
        );
        assert_eq!(Hierarchy::find("", V2_MOUNT), None);
        assert_eq!(Hierarchy::find(cgroups, "broken\n"), None);
    }

    #[test]
    fn the_smallest_quota_counts_and_throttling_adds_up() {
        let read = |path: &Path| {
            let text = match path.to_str()? {
                "/sys/fs/cgroup/a/b/cpu.max" => "max 100000\n",
                "/sys/fs/cgroup/a/cpu.max" => "765000 100000\n",
                "/sys/fs/cgroup/cpu.max" => "1600000 100000\n",
                "/sys/fs/cgroup/a/b/cpu.stat" => "usage_usec 5\nnr_periods 9\nnr_throttled 2\n",
                "/sys/fs/cgroup/a/cpu.stat" => "nr_throttled 40\nthrottled_usec 1\n",
                "/sys/fs/cgroup/cpu.stat" => "usage_usec 5\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let hierarchy = Hierarchy::find("0::/a/b\n", V2_MOUNT).unwrap();
        assert_eq!(hierarchy.quota(&read), Some(7.65));
        assert_eq!(hierarchy.throttled_periods(&read), Some(42));
        let none = Hierarchy::find("0::/c\n", V2_MOUNT).unwrap();
        assert_eq!(none.quota(&|_: &Path| None), None);
        assert_eq!(none.throttled_periods(&|_: &Path| None), None);
    }

    #[test]
    fn time_that_quotas_took_is_counted_in_both_versions() {
        let read = |path: &Path| {
            let text = match path.to_str()? {
                "/sys/fs/cgroup/a/b/cpu.stat" => "nr_throttled 2\nthrottled_usec 5\n",
                "/sys/fs/cgroup/a/cpu.stat" => "nr_throttled 40\nthrottled_usec 1\n",
                "/sys/fs/cgroup/cpu.stat" => "usage_usec 5\n",
                "/sys/fs/cgroup/cpu/x/cpu.stat" => "nr_throttled 3\nthrottled_time 700\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let taken = |cgroups, mounts| Hierarchy::find(cgroups, mounts).unwrap().throttling(&read);
        let of = |periods, nanoseconds| {
            Some(Throttling {
                periods,
                nanoseconds,
            })
        };
        assert_eq!(taken("0::/a/b\n", V2_MOUNT), of(42, 6000));
        let v1_mount = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        assert_eq!(taken("1:cpu:/x\n", v1_mount), of(3, 700));
        assert_eq!(taken("0::/c\n", V2_MOUNT), None);
    }

    #[test]
    fn the_smallest_limit_of_memory_counts() {
        let read = |path: &Path| {
            let text = match path.to_str()? {
                "/sys/fs/cgroup/a/b/memory.max" => "max\n",
                "/sys/fs/cgroup/a/memory.max" => "3000000\n",
                "/sys/fs/cgroup/memory.max" => "9000000\n",
                "/sys/fs/cgroup/slowed/memory.max" => "max\n",
                "/sys/fs/cgroup/slowed/memory.high" => "2000000\n",
                "/sys/fs/cgroup/both/memory.max" => "4000000\n",
                "/sys/fs/cgroup/both/memory.high" => "5000000\n",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes" => "9223372036854771712\n",
                "/sys/fs/cgroup/memory/job/memory.limit_in_bytes" => "777\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let limit = |cgroups, mounts| {
            Hierarchy::find_controller(cgroups, mounts, "memory")?.memory_limit(&read)
        };
        assert_eq!(limit("0::/a/b\n", V2_MOUNT), Some(3_000_000));
        assert_eq!(limit("0::/c/d\n", V2_MOUNT), Some(9_000_000));
        assert_eq!(limit("0::/slowed\n", V2_MOUNT), Some(2_000_000));
        assert_eq!(limit("0::/both\n", V2_MOUNT), Some(4_000_000));
        let cgroups = "5:cpu,cpuacct:/x\n4:memory:/job\n0::/y\n";
        let v1_mount = "33 32 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let mounts = format!("{v1_mount}{V2_MOUNT}");
        assert_eq!(limit(cgroups, &mounts), Some(777));
        assert_eq!(limit("", V2_MOUNT), None);
    }

    #[test]
    fn the_least_that_a_limit_leaves_counts() {
        let read = |path: &Path| {
            let text = match path.to_str()? {
                "/sys/fs/cgroup/a/b/memory.max" => "5000\n",
                "/sys/fs/cgroup/a/b/memory.current" => "1000\n",
                "/sys/fs/cgroup/a/memory.max" => "9000\n",
                "/sys/fs/cgroup/a/memory.current" => "8500\n",
                "/sys/fs/cgroup/a/memory.stat" => "anon 5\ninactive_file_x 7\ninactive_file 2000\n",
                "/sys/fs/cgroup/over/memory.max" => "100\n",
                "/sys/fs/cgroup/over/memory.current" => "4096\n",
                "/sys/fs/cgroup/silent/memory.max" => "600\n",
                "/sys/fs/cgroup/memory/job/memory.limit_in_bytes" => "7000\n",
                "/sys/fs/cgroup/memory/job/memory.usage_in_bytes" => "6000\n",
                "/sys/fs/cgroup/memory/job/memory.stat" => {
                    "inactive_file 1\ntotal_inactive_file 500\n"
                }
                _ => return None,
            };
            Some(text.to_owned())
        };
        let left = |cgroups, mounts| {
            Hierarchy::find_controller(cgroups, mounts, "memory")?.memory_left(&read)
        };
        let cases = [
            ("0::/a/b\n", Some(2500)),
            ("0::/over\n", Some(0)),
            ("0::/silent\n", Some(600)),
            ("0::/none\n", None),
        ];
        for (cgroups, expected) in cases {
            assert_eq!(left(cgroups, V2_MOUNT), expected, "{cgroups}");
        }
        let v1_mount = "33 32 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        assert_eq!(left("4:memory:/job\n", v1_mount), Some(1500));
    }

    #[test]
    fn reads_quotas() {
        let v2 = [
            ("max 100000", None),
            ("150000 100000\n", Some(1.5)),
            ("200000", Some(2.0)),
            ("50000 0", None),
            ("", None),
            ("-1 100000", None),
        ];
        for (text, expected) in v2 {
            assert_eq!(quota_v2(text), expected, "{text}");
        }
        assert_eq!(quota_v1("-1\n", "100000\n"), None);
        assert_eq!(quota_v1("400000\n", "100000\n"), Some(4.0));
    }
}
