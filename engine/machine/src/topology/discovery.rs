//! Where topologies come from: this host, a description, a file.

use std::path::Path;

use super::{Topology, flat, hwloc};
use crate::{MachineError, allowed_cpus};

impl Topology {
    /// Describes the host, restricted to the CPUs that this thread may run on. As in every hwloc
    /// program, `HWLOC_XMLFILE` or `HWLOC_SYNTHETIC` in the environment replace the host.
    ///
    /// # Errors
    /// [`MachineError::Discovery`], [`MachineError::Synthetic`], [`MachineError::TopologyFile`] or
    /// [`MachineError::NoCpus`].
    pub fn discover() -> Result<Topology, MachineError> {
        hwloc::from_environment().unwrap_or_else(hwloc::this_host)
    }

    /// As [`Self::discover`], but a host that cannot be looked into is all CPUs that this thread may
    /// run on, as one node ([`Self::flat`]); why is the second value, to warn of.
    ///
    /// # Errors
    /// What the environment names in the host's place is no topology.
    pub fn discover_or_flat() -> Result<(Topology, Option<MachineError>), MachineError> {
        match hwloc::from_environment() {
            Some(named) => Ok((named?, None)),
            None => Ok(or_flat(hwloc::this_host())),
        }
    }

    /// A machine that does not exist, e.g. `pack:2 numa:2 l3:1 core:24 pu:1` (hwloc's synthetic
    /// syntax; counts are per parent).
    ///
    /// # Errors
    /// [`MachineError::Synthetic`] if libhwloc rejects it or it has more than 16,384 objects.
    pub fn from_synthetic(description: &str) -> Result<Topology, MachineError> {
        hwloc::from_synthetic(description)
    }

    /// A machine described by `lstopo FILE.xml`, as a rule another one.
    ///
    /// # Errors
    /// [`MachineError::TopologyFile`] if it is no readable file of at most 64 MiB, or no topology.
    pub fn from_xml_file(path: &Path) -> Result<Topology, MachineError> {
        hwloc::from_xml_file(path)
    }

    /// The host without any knowledge of it: each CPU a core, one node, one cluster, one package.
    /// An empty list counts as CPU 0.
    pub fn flat(cpu_ids: &[usize]) -> Topology {
        flat::flat(cpu_ids)
    }
}

fn or_flat(host: Result<Topology, MachineError>) -> (Topology, Option<MachineError>) {
    match host {
        Ok(topology) => (topology, None),
        Err(error) => (Topology::flat(&allowed_cpus()), Some(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_cannot_be_looked_into_is_flat() {
        let why = String::from("no permission");
        let (found, warning) = or_flat(Err(MachineError::Discovery { why }));
        assert!(found.is_this_host);
        assert_eq!((found.source.as_str(), found.nodes.len()), ("flat", 1));
        let ids: Vec<usize> = found.cpus.iter().map(|cpu| cpu.id).collect();
        assert_eq!(ids, allowed_cpus());
        assert!(warning.unwrap().to_string().contains("no permission"));
        let described = Topology::from_synthetic("pack:1 numa:1 l3:1 core:4 pu:1");
        let (found, warning) = or_flat(described);
        assert!(found.cpus.len() == 4 && warning.is_none());
    }

    #[test]
    fn refuses_what_is_no_topology() {
        for description in [
            "",
            "nonsense",
            "pack:0",
            "pack:2 numa:",
            "pack:100000 core:100000 pu:100000",
            "pack:99999999999999999999 pu:1",
            "pack:65537 pu:1",
            "core:0x100000 pu:1",
            "core:0200000 pu:1",
            "core:+1000000 pu:1",
            "pack:2core:16384pu:1",
            "pack:1(memory=1)core:1000000 pu:1",
            "pack:1 pu:1\0",
        ] {
            let result = Topology::from_synthetic(description);
            assert!(
                matches!(result, Err(MachineError::Synthetic { .. })),
                "{description}: {result:?}"
            );
        }
        for path in [
            "/nonexistent/topology.xml",
            "/",
            "/dev/zero",
            "/proc/self/status",
        ] {
            let result = Topology::from_xml_file(Path::new(path));
            assert!(
                matches!(result, Err(MachineError::TopologyFile { .. })),
                "{path}: {result:?}"
            );
        }
    }
}
