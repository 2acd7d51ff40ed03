//! Files of /proc and /sys below a root, so that hosts are tested on recorded trees.

use std::io::Read;
use std::path::{Path, PathBuf};

use sysinfer_machine::{CpuList, Neighbours, Topology, cpu_quota_of};

/// Larger than any file that is read here: `/proc/cpuinfo` has some 1.5 KiB for each CPU.
const MOST_BYTES: u64 = 8 << 20;
/// Entries of a directory that are looked at.
const MOST_ENTRIES: usize = 10_000;

/// Where the files are: `/`, or a recorded tree.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Root {
    /// This host.
    pub fn of_this_host() -> Self {
        Self("/".into())
    }

    /// A tree with `proc` and `sys` below `directory`.
    pub fn at(directory: &Path) -> Self {
        Self(directory.into())
    }

    /// Who else is pinned to CPUs of `topology`.
    pub fn neighbours(&self, topology: &Topology) -> Neighbours {
        let own = std::process::id() as usize;
        Neighbours::in_proc(&self.0.join("proc"), own, topology)
    }

    /// A file's text, trimmed; `None` if it cannot be read or is far too long.
    pub fn text(&self, path: &str) -> Option<String> {
        let file = std::fs::File::open(self.0.join(path.trim_start_matches('/'))).ok()?;
        let mut text = String::new();
        let bytes = file.take(MOST_BYTES).read_to_string(&mut text).ok()?;
        ((bytes as u64) < MOST_BYTES).then(|| text.trim().to_owned())
    }

    /// A file that holds one number.
    pub fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// A file that holds a list such as `0-3,8`.
    pub fn list(&self, path: &str) -> Option<Vec<usize>> {
        parse_list(&self.text(path)?)
    }

    /// A list in `/proc/self/status`.
    pub fn own_list(&self, name: &str) -> Option<Vec<usize>> {
        let status = self.text("proc/self/status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        parse_list(line.strip_prefix(':')?.trim())
    }

    /// Whether there is such a file.
    pub fn has(&self, path: &str) -> bool {
        self.0.join(path).exists()
    }

    /// Names in a directory, sorted; none if it cannot be read.
    pub fn names(&self, path: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.0.join(path)) else {
            return Vec::new();
        };
        let name =
            |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
        let mut names: Vec<String> = entries.take(MOST_ENTRIES).filter_map(name).collect();
        names.sort();
        names
    }

    /// The CPU quota of this process: `None` if the system does not tell, `Some(None)` without one.
    pub fn quota(&self) -> Option<Option<f64>> {
        let cgroups = self.text("proc/self/cgroup")?;
        let mounts = self.text("proc/self/mountinfo")?;
        let read = |path: &Path| self.text(path.to_str()?);
        Some(cpu_quota_of(&cgroups, &mounts, &read))
    }
}

fn parse_list(text: &str) -> Option<Vec<usize>> {
    let list: CpuList = text.parse().ok()?;
    Some(list.as_slice().to_vec())
}
