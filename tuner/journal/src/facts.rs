//! Host and model in the form that a journal has them: whole, so that a search can be replayed where
//! neither is.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sysinfer_engine::EngineInfo;
use sysinfer_machine::{Caches, Cpu, Node, Topology};

/// More CPUs or nodes than any host has.
const MAX_CPUS: usize = 16_384;
/// Larger than any size that a model or a cache has, so that arithmetic on sizes cannot overflow.
const MAX_SIZE: u64 = 1 << 48;

/// [`Topology`] as plain numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopologyFacts {
    /// Each CPU: OS index, core, thread of the core, cluster, node, package.
    pub cpus: Vec<Cpu>,
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
        let caches = &topology.caches;
        Self {
            cpus: topology.cpus.clone(),
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
        if cpus == 0 || cpus > MAX_CPUS || nodes == 0 || nodes > cpus {
            return Err(format!("a topology of {cpus} CPUs and {nodes} nodes"));
        }
        if self.l3_count > cpus {
            return Err(format!(
                "a topology of {cpus} CPUs and {} third-level caches",
                self.l3_count
            ));
        }
        let known: BTreeSet<usize> = self.nodes.iter().map(|node| node.0).collect();
        let ids: BTreeSet<usize> = self.cpus.iter().map(|cpu| cpu.id).collect();
        if ids.len() != cpus || known.len() != nodes {
            return Err("the topology has a CPU or a node twice".into());
        }
        let used: BTreeSet<usize> = self.cpus.iter().map(|cpu| cpu.node).collect();
        if used != known {
            return Err("the CPUs of the topology are not on its nodes".into());
        }
        let cpus = self.cpus.iter().flat_map(|cpu| <[usize; 6]>::from(*cpu));
        let mut numbers = cpus.chain(self.caches);
        match numbers.find(|number| *number as u64 > MAX_SIZE) {
            Some(number) => Err(format!("the topology has a number {number}")),
            None => Ok(()),
        }
    }

    /// The topology; not that of the present host.
    pub fn topology(&self) -> Topology {
        let on = |node: usize| self.cpus.iter().filter(move |cpu| cpu.node == node);
        let node = |&(id, memory_bytes): &(usize, u64)| Node {
            id,
            cpus: on(id).map(|cpu| cpu.id).collect(),
            memory_bytes,
        };
        let [l1d_bytes, l2_bytes, l3_bytes, line_bytes] = self.caches;
        let clusters: BTreeSet<usize> = self.cpus.iter().map(|cpu| cpu.cluster).collect();
        let l3_count = match self.l3_count {
            // Most hosts' clusters are the cores of one cache.
            0 if l3_bytes > 0 => clusters.len(),
            count => count,
        };
        Topology {
            cpus: self.cpus.clone(),
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

/// Checks that arithmetic on the sizes of a model cannot overflow.
///
/// # Errors
/// What is wrong.
pub(crate) fn validate_model(info: &EngineInfo) -> Result<(), String> {
    let sizes = [
        info.context_length as u64,
        info.vocabulary_size as u64,
        info.layers as u64,
        info.embedding_length as u64,
        info.heads as u64,
        info.kv_heads as u64,
        info.parameters,
        info.weight_bytes,
        info.decode_bytes,
        info.kv_bytes_per_position,
    ];
    match sizes.into_iter().find(|size| *size > MAX_SIZE) {
        Some(size) => Err(format!("the model has a size of {size}")),
        None => Ok(()),
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
