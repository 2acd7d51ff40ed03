//! The fall-back when discovery fails: what we know is which CPUs we may run on.

use super::{Caches, Cpu, Node, Topology};
use crate::host_memory::total_memory_bytes;

pub(super) fn flat(cpu_ids: &[usize]) -> Topology {
    let ids = if cpu_ids.is_empty() { &[0] } else { cpu_ids };
    let cpu = |(core, &id)| Cpu {
        id,
        core,
        smt: 0,
        cluster: 0,
        node: 0,
        package: 0,
    };
    Topology {
        cpus: ids.iter().enumerate().map(cpu).collect(),
        nodes: vec![Node {
            id: 0,
            cpus: ids.to_vec(),
            memory_bytes: total_memory_bytes(),
        }],
        caches: Caches {
            l3_count: 1,
            ..Caches::default()
        },
        is_this_host: true,
        source: "flat".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_in_one_place() {
        let topology = flat(&[3, 5]);
        assert_eq!(
            topology.summary(),
            "1 package x 1 node x 2 cores x 1 thread"
        );
        assert_eq!(topology.cpu(5).unwrap().core, 1);
        assert_eq!(topology.nodes[0].cpus, [3, 5]);
        assert_eq!(flat(&[]).cpus[0].id, 0);
    }
}
