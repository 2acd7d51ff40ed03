//! What a profile records about a host, so that another host can be told apart from it.

use std::fs::read_to_string;

use serde::{Deserialize, Serialize};

use crate::cores::{core_kinds, cpu_model};
use crate::host_memory::total_memory_bytes;
use crate::kernel_text::chosen_word;
use crate::{Topology, cpu_quota};

/// A host in plain values. The host's name is not among them: it says nothing about speed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostInfo {
    /// E.g. "AMD EPYC 9654 96-Core Processor", "HiSilicon Kunpeng 920 (TSV110, 0x48/0xd01)", several kinds
    /// of cores with the CPUs of each, or where a topology came from that is not this host's.
    pub cpu_model: String,
    /// "x86_64", "aarch64".
    pub architecture: String,
    /// [`sve_bits`] of an arm64 host; `None` of any other, or where nobody has looked. For the record: no kernel uses
    /// SVE, so differences mean nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sve_bits: Option<usize>,
    /// [`Topology::summary`].
    pub topology: String,
    /// Packages with an allowed CPU.
    pub packages: usize,
    /// NUMA nodes with an allowed CPU.
    pub nodes: usize,
    /// Cores with an allowed CPU.
    pub cores: usize,
    /// Allowed CPUs.
    pub cpus: usize,
    /// Memory; 0 when unknown.
    pub memory_bytes: u64,
    /// Base page.
    pub page_bytes: usize,
    /// [`cpu_quota`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<f64>,
    /// Kernel release; empty when unknown.
    pub kernel: String,
    /// Mode of transparent huge pages: "always", "madvise", "never" or "unavailable".
    pub huge_pages: String,
}

/// Describes the host with this topology. Page size, quota and kernel are always those of the host
/// that runs this process.
pub fn host_info(topology: &Topology) -> HostInfo {
    let (cpu_model, memory_bytes) = if topology.is_this_host {
        let cpus: Vec<usize> = topology.cpus.iter().map(|cpu| cpu.id).collect();
        let kinds = core_kinds(&cpus, &|path| read_to_string(path).ok());
        (cpu_model(&kinds), total_memory_bytes())
    } else {
        let memory = topology.nodes.iter().map(|node| node.memory_bytes);
        (topology.source.clone(), memory.fold(0, u64::saturating_add))
    };
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let huge_pages =
        read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    HostInfo {
        cpu_model,
        architecture: std::env::consts::ARCH.to_owned(),
        sve_bits: (std::env::consts::ARCH == "aarch64").then(sve_bits),
        topology: topology.summary(),
        packages: topology.packages(),
        nodes: topology.nodes.len(),
        cores: topology.cores(),
        cpus: topology.cpus.len(),
        memory_bytes,
        page_bytes: rustix::param::page_size(),
        cpu_quota: cpu_quota(),
        kernel: kernel.trim().to_owned(),
        huge_pages: chosen_word(&huge_pages).unwrap_or("unavailable").to_owned(),
    }
}

/// The length of this thread's SVE vectors, bits; 0 without SVE. The system may allow less than the CPU has.
pub fn sve_bits() -> usize {
    let found = rustix::thread::sve_vector_length_configuration();
    found.map_or(0, |found| 8 * found.vector_length_in_bytes as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_described_host_is_not_this_one() {
        let topology = Topology::from_synthetic("pack:2 numa:2 l3:1 core:24 pu:1").unwrap();
        let info = host_info(&topology);
        assert_eq!(info.cpu_model, "synthetic pack:2 numa:2 l3:1 core:24 pu:1");
        assert_eq!(
            (info.packages, info.nodes, info.cores, info.cpus),
            (2, 4, 96, 96)
        );
    }
}
