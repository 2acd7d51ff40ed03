//! Threads on chosen CPUs read the memory of chosen nodes: local, remote and all together.
//!
//! Each node has one buffer, bound to it where the system allows that and first written by threads
//! on its own CPUs, which puts it there where the system does not.

use std::collections::BTreeMap;

use sysinfer_machine::{NodeBuffer, Pages, Ranges, Team, Topology, effective_cpus};
use sysinfer_probe::Point;

use super::streaming::{pass, write};
use super::{GRAIN_BYTES, MIN_BYTES, require_beyond_caches};
use crate::own_team::own_team;

/// Passes per reading, after one that wakes the team and is not counted.
const PASSES: usize = 3;
/// Memory of a node that is read in a pass: as much as keeps a pass of one thread short.
const USUAL_BYTES: u64 = 512 << 20;
/// Times the node's last-level caches that a buffer must be to be read from memory.
const CACHES: u64 = 2;

/// The buffers of a bandwidth map.
pub struct NodeReader {
    topology: Topology,
    effective_cpus: usize,
    bytes: usize,
    buffers: BTreeMap<usize, NodeBuffer>,
}

impl NodeReader {
    /// Takes no memory yet; all buffers together will be at most a quarter of `available_bytes`, but
    /// no less than 64 MiB each.
    pub fn new(topology: &Topology, available_bytes: u64) -> Self {
        Self {
            effective_cpus: effective_cpus(topology),
            bytes: buffer_bytes(topology, available_bytes),
            topology: topology.clone(),
            buffers: BTreeMap::new(),
        }
    }

    /// Makes the buffers that [`Self::read`] needs for the same arguments.
    ///
    /// # Errors
    /// A node that is not there, or the host refuses threads or memory, or has so little of it free that
    /// caches would hold a buffer; the text is for users.
    pub fn fill(&mut self, cpus: &[usize], memory_node: Option<usize>) -> Result<(), String> {
        require_beyond_caches(self.bytes, node_cache_bytes(&self.topology))?;
        for node in self.memory_of(cpus, memory_node)? {
            if !self.buffers.contains_key(&node) {
                let buffer = self.filled(node)?;
                self.buffers.insert(node, buffer);
            }
        }
        Ok(())
    }

    /// One thread on each of `cpus` reads its share of the memory of `memory_node`, or of its own
    /// node for `None`; one point per pass.
    ///
    /// # Errors
    /// As [`Self::fill`].
    pub fn read(
        &mut self,
        cpus: &[usize],
        memory_node: Option<usize>,
    ) -> Result<Vec<Point>, String> {
        self.fill(cpus, memory_node)?;
        let memory = self.memory_of(cpus, memory_node)?;
        let shares = shares(&memory, self.bytes);
        let empty: &[u8] = &[];
        let slices: Vec<&[u8]> = memory
            .iter()
            .zip(shares)
            .map(|(node, share)| {
                self.buffers
                    .get(node)
                    .map_or(empty, |buffer| &buffer[share])
            })
            .collect();
        let mut team = self.team(cpus)?;
        pass(&mut team, &slices);
        Ok((0..PASSES).map(|_| pass(&mut team, &slices)).collect())
    }

    /// The node that each thread reads.
    fn memory_of(&self, cpus: &[usize], memory_node: Option<usize>) -> Result<Vec<usize>, String> {
        let own = |id: &usize| {
            let cpu = self.topology.cpu(*id);
            let node = cpu.map(|cpu| memory_node.unwrap_or(cpu.node));
            node.ok_or_else(|| format!("CPU {id} is not one that may be used"))
        };
        cpus.iter().map(own).collect()
    }

    /// A new buffer on `node`.
    fn filled(&self, node: usize) -> Result<NodeBuffer, String> {
        let found = self.topology.nodes.iter().find(|found| found.id == node);
        let found = found.ok_or_else(|| format!("there is no memory node {node} with CPUs"))?;
        let mut buffer =
            NodeBuffer::new(self.bytes, Pages::Transparent).map_err(|error| error.to_string())?;
        // Forbidden in many containers: then the node of the writing threads decides.
        let _ = buffer.bind(0..self.bytes, node);
        let writers = found.cpus.len().min(self.effective_cpus);
        let mut team = self.team(&found.cpus[..writers])?;
        let ranges = Ranges::split(self.bytes, GRAIN_BYTES, writers);
        write(&mut team, &mut buffer, &ranges);
        Ok(buffer)
    }

    fn team(&self, cpus: &[usize]) -> Result<Team, String> {
        own_team(cpus.len(), cpus, &self.topology, self.effective_cpus)
    }
}

/// Which part of its node's buffer each thread reads: threads that read one node divide its buffer.
fn shares(memory: &[usize], bytes: usize) -> Vec<std::ops::Range<usize>> {
    let mut readers = BTreeMap::<usize, usize>::new();
    for node in memory {
        *readers.entry(*node).or_default() += 1;
    }
    let mut divided: BTreeMap<usize, _> = readers
        .into_iter()
        .map(|(node, count)| {
            let ranges: Vec<_> = Ranges::split(bytes, GRAIN_BYTES, count).iter().collect();
            (node, ranges.into_iter())
        })
        .collect();
    let next = |node: &usize| divided.get_mut(node).and_then(Iterator::next);
    memory
        .iter()
        .map(next)
        .map(Option::unwrap_or_default)
        .collect()
}

/// The last-level caches of one node.
fn node_cache_bytes(topology: &Topology) -> u64 {
    let nodes = topology.nodes.len().max(1) as u64;
    topology.l3_total_bytes() / nodes
}

fn buffer_bytes(topology: &Topology, available_bytes: u64) -> usize {
    let nodes = topology.nodes.len().max(1) as u64;
    let wanted = USUAL_BYTES
        .max(CACHES * node_cache_bytes(topology))
        .min(available_bytes / 4 / nodes)
        .max(MIN_BYTES);
    let bytes = usize::try_from(wanted).unwrap_or(MIN_BYTES as usize);
    bytes - bytes % GRAIN_BYTES
}

#[cfg(test)]
mod tests {
    use sysinfer_machine::allowed_cpus;

    use super::*;

    #[test]
    fn readers_of_a_node_divide_its_buffer() {
        let grain = GRAIN_BYTES;
        let bytes = 4 * grain;
        let cases = [
            (vec![0, 0], vec![0..2 * grain, 2 * grain..bytes]),
            (vec![0, 1], vec![0..bytes, 0..bytes]),
            (
                vec![1, 0, 1],
                vec![0..2 * grain, 0..bytes, 2 * grain..bytes],
            ),
        ];
        for (memory, expected) in cases {
            assert_eq!(shares(&memory, bytes), expected, "{memory:?}");
        }
        let alone = shares(&[0], bytes);
        assert_eq!(alone.first(), Some(&(0..bytes)));
    }

    #[test]
    fn buffers_exceed_caches_and_spare_memory() {
        let mut topology =
            Topology::from_synthetic("pack:2 numa:2 l3:1 core:4 pu:1").expect("valid");
        topology.caches.l3_bytes = 1 << 20;
        let gib = 1u64 << 30;
        for (available, expected) in [(64 * gib, gib / 2), (4 * gib, gib / 4), (0, MIN_BYTES)] {
            let bytes = buffer_bytes(&topology, available) as u64;
            assert_eq!(bytes, expected, "{available}");
        }
        topology.caches.l3_bytes = 512 << 20;
        assert_eq!(buffer_bytes(&topology, 64 * gib) as u64, gib);
        let in_groups = "pack:2 numa:2 l3:1(size=536870912) group:6 core:4 pu:1";
        let topology = Topology::from_synthetic(in_groups).expect("valid");
        assert_eq!(buffer_bytes(&topology, 64 * gib) as u64, gib);
    }

    #[test]
    fn a_reading_has_the_whole_buffer_in_every_pass() {
        let cpus = allowed_cpus();
        let topology = Topology::flat(&cpus);
        let mut reader = NodeReader::new(&topology, 0);
        for memory_node in [None, Some(0)] {
            let points = reader
                .read(&cpus[..1], memory_node)
                .expect("a small buffer");
            assert_eq!(points.len(), PASSES);
            assert!(points.iter().all(|point| point.bytes == MIN_BYTES as f64));
            assert!(points.iter().all(|point| point.seconds > 0.0));
        }
        let message = reader.read(&cpus[..1], Some(7)).expect_err("no such node");
        assert!(message.contains("memory node 7"), "{message}");
        let message = reader.read(&[9999], None).expect_err("no such CPU");
        assert!(message.contains("CPU 9999"), "{message}");
        let mut large = topology;
        large.caches.l3_bytes = 512 << 20;
        let refused = NodeReader::new(&large, 0).read(&cpus[..1], None);
        let message = refused.expect_err("caches hold it");
        assert!(
            message.contains("last-level caches of 0.537 GB"),
            "{message}"
        );
    }
}
