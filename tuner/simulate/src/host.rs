//! A host file with the topology that it describes, in the forms in which the tuner has a real host.

use std::path::Path;

use anyhow::{Context, bail};
use sysinfer_engine::{KernelChoice, ModelShape, Plan};
use sysinfer_machine::{HostInfo, Topology, whole_cpus};
use sysinfer_measure::host::Host;
use sysinfer_probe::Phase;
use sysinfer_search::space::kernels::{KernelOption, KernelSpace};
use sysinfer_search::space::placement;

use crate::description::{self, Description};
use crate::kernel_rate::KernelRate;
use crate::machine::Machine;

/// What the processor's name of a simulated host begins with.
pub const MARK: &str = "SIMULATED HOST, nothing was measured:";

/// A host file read, with the topology that it describes.
pub struct SimulatedHost {
    /// The file.
    pub description: Description,
    /// In the form in which the tuner has a real host.
    pub host: Host,
}

impl SimulatedHost {
    /// Reads a host file.
    ///
    /// # Errors
    /// The file is wrong; the message names line and key.
    pub fn load(path: &Path) -> anyhow::Result<SimulatedHost> {
        Self::new(Description::load(path)?).with_context(|| format!("in {}", path.display()))
    }

    /// Builds the topology.
    ///
    /// # Errors
    /// The topology is none, or its nodes are not as many as bandwidths are given for.
    pub fn new(description: Description) -> anyhow::Result<SimulatedHost> {
        let mut topology = Topology::from_synthetic(&description.topology)?;
        let nodes = topology.nodes.len();
        if let description::PerNode::Each(each) = &description.memory.node_gb_per_second
            && each.len() != nodes
        {
            bail!(
                "memory.node_gb_per_second has {} values for {nodes} nodes",
                each.len()
            );
        }
        topology.caches.l2_bytes = (description.l2_kib * 1024.0) as usize;
        // The file says what all have together, even where its topology names none.
        let caches = topology.caches.l3_count.max(1);
        topology.caches.l3_count = caches;
        topology.caches.l3_bytes = (description.l3_mib * 1048576.0 / caches as f64) as usize;
        let cpus = topology.cpus.len();
        let effective_cpus = whole_cpus(cpus, description.cpu_quota);
        let info = HostInfo {
            cpu_model: format!("{MARK} {}", description.name),
            architecture: description.architecture.clone(),
            sve_bits: None,
            topology: topology.summary(),
            packages: topology.packages(),
            nodes,
            cores: topology.cores(),
            cpus,
            memory_bytes: (description.memory_gb * 1e9) as u64,
            page_bytes: 4096,
            cpu_quota: description.cpu_quota,
            kernel: "simulated".into(),
            huge_pages: "simulated".into(),
        };
        Ok(SimulatedHost {
            description,
            host: Host {
                topology,
                info,
                effective_cpus,
            },
        })
    }

    /// This host with a model on it.
    pub fn machine(&self, shape: ModelShape) -> Machine {
        Machine::new(self.description.clone(), self.host.topology.clone(), shape)
    }

    /// Kernels to choose from for a model's block types.
    pub fn kernels(&self, block_types: &[String]) -> KernelSpace {
        let of_phase = |phase: Phase| {
            let option = |block_type: &String| KernelOption {
                block_type: block_type.clone(),
                names: self.names(block_type, phase),
            };
            let options = block_types.iter().map(option);
            options.filter(|option| option.names.len() > 1).collect()
        };
        KernelSpace {
            decode: of_phase(Phase::Decode),
            prefill: of_phase(Phase::Prefill),
        }
    }

    /// The plan of a host that was never tuned, every kernel named.
    pub fn default_plan(&self, block_types: &[String]) -> Plan {
        let mut plan = placement::default_plan(&self.host.topology, self.host.effective_cpus);
        for block_type in block_types {
            let first = |phase| self.names(block_type, phase).into_iter().next();
            let choice = KernelChoice {
                decode: first(Phase::Decode),
                prefill: first(Phase::Prefill),
            };
            plan.kernels.insert(block_type.clone(), choice);
        }
        plan
    }

    fn names(&self, block_type: &str, phase: Phase) -> Vec<String> {
        let of = |kernel: &&KernelRate| kernel.block == block_type && kernel.role == phase.name();
        self.description
            .kernels
            .iter()
            .filter(of)
            .map(|kernel| kernel.name.clone())
            .collect()
    }

    /// What a report says instead of pins that held.
    pub fn pins(&self) -> String {
        format!(
            "{MARK} {}; threads and pins as the plan has them",
            self.description.name
        )
    }
}
