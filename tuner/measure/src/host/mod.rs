//! The host as the tuner sees it: topology, CPUs that may really be used, free memory. [`check`] says
//! what about it costs speed.

pub mod check;

use std::path::Path;

use anyhow::{Context, bail};
use sysinfer_machine::{
    HostInfo, MachineError, Topology, effective_cpus, host_info, kib_field, memory_left_bytes,
    surplus,
};
use sysinfer_terminal::gigabytes;

/// A topology with what was derived from it.
pub struct Host {
    /// CPUs, nodes and caches.
    pub topology: Topology,
    /// Facts for profiles and reports.
    pub info: HostInfo,
    /// CPUs that can run at once: the quota of this host, all CPUs of any other.
    pub effective_cpus: usize,
}

impl Host {
    /// Reads this host's topology, or that of `xml`. A host that cannot be looked into is all CPUs that
    /// the process may use, as one node, which `warn` is told.
    ///
    /// # Errors
    /// The file is not a topology, or what `HWLOC_XMLFILE` or `HWLOC_SYNTHETIC` name is none.
    pub fn discover(xml: Option<&Path>, warn: &mut dyn FnMut(&str)) -> anyhow::Result<Self> {
        let topology = match xml {
            Some(path) => Topology::from_xml_file(path)?,
            None => this_host(warn)?,
        };
        let effective_cpus = if topology.is_this_host {
            effective_cpus(&topology)
        } else {
            topology.cpus.len()
        };
        let info = host_info(&topology);
        Ok(Self {
            topology,
            info,
            effective_cpus,
        })
    }

    /// A warning that `threads` are more than can run at once here; `None` where they are not.
    pub fn surplus(&self, threads: usize) -> Option<String> {
        let text = surplus(threads, self.topology.cpus.len(), self.effective_cpus)?;
        Some(format!("warning: {text}"))
    }

    /// Refuses to measure on a topology that is only described.
    ///
    /// # Errors
    /// Names the description and the remedy.
    pub fn require_real(&self) -> anyhow::Result<()> {
        if self.topology.is_this_host {
            return Ok(());
        }
        bail!(
            "the topology comes from {}, not from this host, so nothing can be measured on it; \
             unset HWLOC_SYNTHETIC and HWLOC_XMLFILE to measure here, or see what would be tried there with \
             sysinfer-tune --dry-run",
            self.topology.source
        )
    }
}

fn this_host(warn: &mut dyn FnMut(&str)) -> Result<Topology, MachineError> {
    let (topology, failure) = Topology::discover_or_flat()?;
    if let Some(error) = failure {
        warn(&format!("{error}; until then, CPUs are taken as one node"));
    }
    Ok(topology)
}

/// Memory that can be taken without swapping, bytes: `MemAvailable`, but no more than the container's
/// limits leave; `None` where nobody says.
pub fn available_bytes() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    within_limit(kib_field(&meminfo, "MemAvailable"), memory_left_bytes())
}

fn within_limit(available: Option<u64>, left: Option<u64>) -> Option<u64> {
    available.into_iter().chain(left).min()
}

/// The most memory that this process has had resident so far, bytes (`VmHWM`): its own, and pages of
/// files that it maps; `None` where unknown.
pub fn peak_bytes() -> Option<u64> {
    kib_field(&std::fs::read_to_string("/proc/self/status").ok()?, "VmHWM")
}

/// Refuses what would not fit into `available` memory.
///
/// # Errors
/// Names the sizes and the remedy.
pub fn require_memory(what: &str, needed_bytes: u64, available: Option<u64>) -> anyhow::Result<()> {
    match available {
        Some(available) if needed_bytes > available => bail!(
            "{what} needs about {} of memory and {} are available; \
             free some, raise the container's limit if it has one, or choose a smaller model",
            gigabytes(needed_bytes),
            gigabytes(available)
        ),
        _ => Ok(()),
    }
}

/// Size of a file, bytes.
///
/// # Errors
/// The file does not exist or may not be read.
pub fn file_bytes(path: &Path) -> anyhow::Result<u64> {
    let metadata = std::fs::metadata(path)
        .with_context(|| format!("cannot open the model {}", path.display()))?;
    Ok(metadata.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_available_than_the_containers_limit_leaves() {
        let cases = [
            (Some(9), Some(5), Some(5)),
            (Some(4), Some(5), Some(4)),
            (None, Some(5), Some(5)),
            (Some(9), None, Some(9)),
            (None, None, None),
        ];
        for (available, left, expected) in cases {
            assert_eq!(
                within_limit(available, left),
                expected,
                "{available:?} {left:?}"
            );
        }
    }

    #[test]
    fn the_peak_is_at_least_what_was_touched() {
        let before = peak_bytes().expect("Linux says it");
        let touched = vec![1u8; before as usize + (8 << 20)];
        assert!(peak_bytes().expect("as before") > touched.len() as u64);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_numbers() {
        let refusal = require_memory("baichuan2-13b", 9_000_000_000, Some(4_000_000_000));
        let message = refusal.expect_err("too large").to_string();
        assert!(
            message.contains("9.0 GB") && message.contains("4.0 GB"),
            "{message}"
        );
        assert!(require_memory("tiny", 1, Some(2)).is_ok());
        assert!(
            require_memory("tiny", u64::MAX, None).is_ok(),
            "unknown memory refuses nothing"
        );
    }

    #[test]
    fn more_threads_than_fit_are_warned_of() {
        let topology = Topology::from_synthetic("pack:1 numa:1 l3:1 core:4 pu:1").expect("valid");
        let host = Host {
            effective_cpus: 2,
            info: host_info(&topology),
            topology,
        };
        assert_eq!(host.surplus(2), None);
        let line = host.surplus(8).expect("more than 2");
        let begin = "warning: 8 threads on the 2 of 4 CPUs that the quota leaves";
        assert!(
            line.starts_with(begin) && line.ends_with("2 would fit"),
            "{line}"
        );
    }

    #[test]
    fn described_hosts_are_not_measured() {
        let topology = Topology::from_synthetic("pack:1 numa:1 l3:1 core:2 pu:1").expect("valid");
        let info = host_info(&topology);
        let host = Host {
            effective_cpus: 2,
            info,
            topology,
        };
        let message = host.require_real().expect_err("synthetic").to_string();
        assert!(message.contains("--dry-run"), "{message}");
    }
}
