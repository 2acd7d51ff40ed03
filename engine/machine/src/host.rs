//! What a profile records about a host, so that another host can be told apart from it.

use std::fs::read_to_string;

use crate::kernel_text::{chosen_word, kib_field};
use crate::{Topology, cpu_quota};

/// A host in plain values. The host's name is not among them: it says nothing about speed.
#[derive(Debug, Clone, PartialEq)]
pub struct HostInfo {
    /// E.g. "AMD EPYC 9654 96-Core Processor", "HiSilicon Kunpeng-920 (0x48/0xd01)", or where a
    /// topology came from that is not this host's.
    pub cpu_model: String,
    /// "x86_64", "aarch64".
    pub architecture: String,
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
        let text = read_to_string("/proc/cpuinfo").unwrap_or_default();
        (cpu_model(&text), total_memory_bytes())
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

/// The memory of this host; 0 when unknown.
pub(crate) fn total_memory_bytes() -> u64 {
    let meminfo = read_to_string("/proc/meminfo").unwrap_or_default();
    kib_field(&meminfo, "MemTotal").unwrap_or(0)
}

/// The first CPU of `/proc/cpuinfo`: x86 has "model name", arm64 has identification registers.
fn cpu_model(cpuinfo: &str) -> String {
    let field = |name: &str| {
        let mut fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        fields
            .find(|(key, _)| key.trim() == name)
            .map(|(_, value)| value.trim())
    };
    if let Some(name) = field("model name").filter(|name| !name.is_empty()) {
        return name.to_owned();
    }
    match (field("CPU implementer"), field("CPU part")) {
        (Some(implementer), Some(part)) => {
            format!("{} ({implementer}/{part})", arm_name(implementer, part))
        }
        _ => "unknown CPU".to_owned(),
    }
}

/// Maker and core by the implementer and part numbers of the main ID register (MIDR_EL1), as far as
/// servers have them.
fn arm_name(implementer: &str, part: &str) -> String {
    let (maker, cores): (&str, &[(&str, &str)]) = match implementer {
        "0x41" => (
            "Arm",
            &[
                ("0xd08", "Cortex-A72"),
                ("0xd0c", "Neoverse-N1"),
                ("0xd40", "Neoverse-V1"),
                ("0xd49", "Neoverse-N2"),
                ("0xd4f", "Neoverse-V2"),
                ("0xd84", "Neoverse-V3"),
                ("0xd8e", "Neoverse-N3"),
            ],
        ),
        "0x48" => (
            "HiSilicon",
            &[("0xd01", "Kunpeng-920"), ("0xd02", "Kunpeng-920B")],
        ),
        "0x61" => ("Apple", &[]),
        "0x70" => (
            "Phytium",
            &[
                ("0x662", "FTC662"),
                ("0x663", "FTC663"),
                ("0x664", "FTC664"),
            ],
        ),
        "0xc0" => ("Ampere", &[("0xac3", "Ampere-1"), ("0xac4", "Ampere-1A")]),
        _ => return "arm64 CPU".to_owned(),
    };
    let core = cores
        .iter()
        .find(|(number, _)| *number == part)
        .map_or("CPU", |(_, name)| *name);
    format!("{maker} {core}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cpus() {
        let cases = [
            (
                "processor\t: 0\nmodel name\t: AMD EPYC 9654 96-Core Processor\n",
                "AMD EPYC 9654 96-Core Processor",
            ),
            (
                "processor\t: 0\nBogoMIPS\t: 200.00\nCPU implementer\t: 0x48\nCPU part\t: 0xd01\n",
                "HiSilicon Kunpeng-920 (0x48/0xd01)",
            ),
            (
                "CPU implementer\t: 0x48\nCPU part\t: 0xfff\n",
                "HiSilicon CPU (0x48/0xfff)",
            ),
            (
                "CPU implementer\t: 0x99\nCPU part\t: 0x001\n",
                "arm64 CPU (0x99/0x001)",
            ),
            ("", "unknown CPU"),
            ("model name\t:\n", "unknown CPU"),
        ];
        for (text, expected) in cases {
            assert_eq!(cpu_model(text), expected);
        }
    }

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
