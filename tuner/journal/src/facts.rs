//! Host and model in the form that a journal has them: whole, so that a search can be replayed where
//! neither is.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sysinfer_engine::EngineInfo;
use sysinfer_machine::{Caches, Cpu, HostInfo, Node, Topology};
use sysinfer_profiles::HostFacts;

/// More CPUs or nodes than any host has.
const MOST_CPUS: usize = 16_384;
/// Larger than any size that a model or a cache has, so that arithmetic on sizes cannot overflow.
const MOST: u64 = 1 << 48;

/// [`Topology`] as plain numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopologyFacts {
    /// Each CPU: OS index, core, thread of the core, cluster, node, package.
    pub cpus: Vec<[usize; 6]>,
    /// Each node: OS index and bytes of memory.
    pub nodes: Vec<(usize, u64)>,
    /// First-level data, second-level, third-level cache and cache line, bytes.
    pub caches: [usize; 4],
    /// Third-level caches in all; 0 in older journals, which do not say.
    #[serde(default)]
    pub l3_count: usize,
    /// Where the topology came from.
    pub source: String,
}

impl From<&Topology> for TopologyFacts {
    fn from(topology: &Topology) -> Self {
        let cpu = |cpu: &Cpu| {
            [
                cpu.id,
                cpu.core,
                cpu.smt,
                cpu.cluster,
                cpu.node,
                cpu.package,
            ]
        };
        let caches = &topology.caches;
        Self {
            cpus: topology.cpus.iter().map(cpu).collect(),
            nodes: topology
                .nodes
                .iter()
                .map(|node| (node.id, node.memory_bytes))
                .collect(),
            caches: [
                caches.l1d_bytes,
                caches.l2_bytes,
                caches.l3_bytes,
                caches.line_bytes,
            ],
            l3_count: caches.l3_count,
            source: topology.source.clone(),
        }
    }
}

impl TopologyFacts {
    /// Checks that this can be a topology.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self) -> Result<(), String> {
        let (cpus, nodes) = (self.cpus.len(), self.nodes.len());
        if cpus == 0 || cpus > MOST_CPUS || nodes == 0 || nodes > cpus {
            return Err(format!("a topology of {cpus} CPUs and {nodes} nodes"));
        }
        if self.l3_count > cpus {
            return Err(format!(
                "a topology of {cpus} CPUs and {} third-level caches",
                self.l3_count
            ));
        }
        let known: BTreeSet<usize> = self.nodes.iter().map(|node| node.0).collect();
        let ids: BTreeSet<usize> = self.cpus.iter().map(|cpu| cpu[0]).collect();
        if ids.len() != cpus || known.len() != nodes {
            return Err("the topology has a CPU or a node twice".into());
        }
        let used: BTreeSet<usize> = self.cpus.iter().map(|cpu| cpu[4]).collect();
        if used != known {
            return Err("the CPUs of the topology are not on its nodes".into());
        }
        let numbers = self.cpus.iter().flatten().chain(&self.caches);
        match numbers.copied().find(|number| *number as u64 > MOST) {
            Some(number) => Err(format!("the topology has a number {number}")),
            None => Ok(()),
        }
    }

    /// The topology; not that of the present host.
    pub fn topology(&self) -> Topology {
        let cpu = |&[id, core, smt, cluster, node, package]: &[usize; 6]| Cpu {
            id,
            core,
            smt,
            cluster,
            node,
            package,
        };
        let on = |node: usize| self.cpus.iter().filter(move |cpu| cpu[4] == node);
        let node = |&(id, memory_bytes): &(usize, u64)| Node {
            id,
            cpus: on(id).map(|cpu| cpu[0]).collect(),
            memory_bytes,
        };
        let [l1d_bytes, l2_bytes, l3_bytes, line_bytes] = self.caches;
        let clusters: BTreeSet<usize> = self.cpus.iter().map(|cpu| cpu[3]).collect();
        let l3_count = match self.l3_count {
            // Most hosts' clusters are the cores of one cache.
            0 if l3_bytes > 0 => clusters.len(),
            count => count,
        };
        Topology {
            cpus: self.cpus.iter().map(cpu).collect(),
            nodes: self.nodes.iter().map(node).collect(),
            caches: Caches {
                l1d_bytes,
                l2_bytes,
                l3_bytes,
                l3_count,
                line_bytes,
            },
            is_this_host: false,
            source: self.source.clone(),
        }
    }
}

/// The host's facts as the report wants them.
pub fn host_info(facts: &HostFacts) -> HostInfo {
    HostInfo {
        cpu_model: facts.cpu_model.clone(),
        architecture: facts.architecture.clone(),
        sve_bits: facts.sve_bits,
        topology: facts.topology.clone(),
        packages: facts.packages,
        nodes: facts.nodes,
        cores: facts.cores,
        cpus: facts.cpus,
        memory_bytes: facts.memory_bytes,
        page_bytes: facts.page_bytes,
        cpu_quota: facts.cpu_quota,
        kernel: facts.kernel.clone(),
        huge_pages: facts.huge_pages.clone(),
    }
}

/// [`EngineInfo`], field by field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // The fields of `EngineInfo`, which has their meaning and units.
pub struct ModelShape {
    pub name: String,
    pub architecture: String,
    pub quantisation: String,
    pub context_length: usize,
    pub vocabulary_size: usize,
    pub layers: usize,
    pub embedding_length: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub parameters: u64,
    pub weight_bytes: u64,
    pub decode_bytes: u64,
    pub kv_bytes_per_position: u64,
    pub block_types: Vec<String>,
    pub fingerprint: String,
}

impl From<&EngineInfo> for ModelShape {
    fn from(info: &EngineInfo) -> Self {
        Self {
            name: info.name.clone(),
            architecture: info.architecture.clone(),
            quantisation: info.quantisation.clone(),
            context_length: info.context_length,
            vocabulary_size: info.vocabulary_size,
            layers: info.layers,
            embedding_length: info.embedding_length,
            heads: info.heads,
            kv_heads: info.kv_heads,
            parameters: info.parameters,
            weight_bytes: info.weight_bytes,
            decode_bytes: info.decode_bytes,
            kv_bytes_per_position: info.kv_bytes_per_position,
            block_types: info.block_types.clone(),
            fingerprint: info.fingerprint.clone(),
        }
    }
}

impl ModelShape {
    /// Checks that arithmetic on the sizes cannot overflow.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self) -> Result<(), String> {
        let sizes = [
            self.context_length as u64,
            self.vocabulary_size as u64,
            self.layers as u64,
            self.embedding_length as u64,
            self.heads as u64,
            self.kv_heads as u64,
            self.parameters,
            self.weight_bytes,
            self.decode_bytes,
            self.kv_bytes_per_position,
        ];
        match sizes.into_iter().find(|size| *size > MOST) {
            Some(size) => Err(format!("the model has a size of {size}")),
            None => Ok(()),
        }
    }

    /// The shape as the engine says it.
    pub fn info(&self) -> EngineInfo {
        EngineInfo {
            name: self.name.clone(),
            architecture: self.architecture.clone(),
            quantisation: self.quantisation.clone(),
            context_length: self.context_length,
            vocabulary_size: self.vocabulary_size,
            layers: self.layers,
            embedding_length: self.embedding_length,
            heads: self.heads,
            kv_heads: self.kv_heads,
            parameters: self.parameters,
            weight_bytes: self.weight_bytes,
            decode_bytes: self.decode_bytes,
            kv_bytes_per_position: self.kv_bytes_per_position,
            block_types: self.block_types.clone(),
            fingerprint: self.fingerprint.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn third_level_caches_are_kept_and_guessed_for_older_journals() {
        let description = "pack:2 numa:2 l3:1(size=1048576) group:6 core:4 pu:1";
        let topology = Topology::from_synthetic(description).expect("valid");
        let facts = TopologyFacts::from(&topology);
        assert_eq!(facts.topology().caches, topology.caches);
        let mut value = serde_json::to_value(&facts).expect("renders");
        let fields = value.as_object_mut().expect("an object");
        assert!(fields.remove("l3_count").is_some());
        let older: TopologyFacts = serde_json::from_value(value).expect("readable");
        assert_eq!(older.validate(), Ok(()));
        assert_eq!(older.topology().caches.l3_count, 24, "one for each cluster");
        let impossible = TopologyFacts {
            l3_count: 97,
            ..facts
        };
        assert!(impossible.validate().is_err());
    }
}
