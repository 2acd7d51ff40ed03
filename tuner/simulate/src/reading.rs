//! Reading memory on a simulated host: what nodes give, and what cores take.

use sysinfer_engine::PhasePlan;
use sysinfer_machine::MapPolicy;

use super::crew::Crew;
use super::machine::{Machine, overlapped};

/// What a worker reads, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reads {
    /// Of the memory of its own node.
    pub(super) near: f64,
    /// Of that of others.
    pub(super) far: f64,
}

impl Reads {
    /// So many bytes, of which the share `local` lies on the own node.
    pub(super) fn of(bytes: f64, local: f64) -> Reads {
        Reads {
            near: bytes * local,
            far: bytes * (1.0 - local),
        }
    }

    /// Both.
    pub(super) fn and(self, other: Reads) -> Reads {
        Reads {
            near: self.near + other.near,
            far: self.far + other.far,
        }
    }
}

impl Machine {
    /// What a team reads when it does nothing else, bytes per second.
    ///
    /// # Errors
    /// A team that cannot run here.
    pub fn read_bytes_per_second(&self, team: &PhasePlan) -> Result<f64, String> {
        let crew = self.crew(team)?;
        let bytes = 1e9;
        let each = bytes / crew.threads() as f64;
        let seconds = self.read_seconds(&crew, |_| Reads::of(each, 1.0));
        Ok(bytes / (overlapped(&[seconds.0, seconds.1]) * crew.slowdown))
    }

    /// What threads on `cpus` read from the memory of one node, or each from its own, bytes per second.
    ///
    /// # Errors
    /// CPUs that are not here.
    pub fn stream_bytes_per_second(
        &self,
        cpus: &[usize],
        memory_node: Option<usize>,
    ) -> Result<f64, String> {
        let team = PhasePlan {
            threads: cpus.len(),
            map: MapPolicy::Given.name().into(),
            cpus: cpus.to_vec(),
        };
        let Some(node) = memory_node else {
            return self.read_bytes_per_second(&team);
        };
        let crew = self.crew(&team)?;
        let bytes = 1e9;
        let each = bytes / crew.threads() as f64;
        // Crews and descriptions count nodes; the work names them as the system does.
        let nodes = &self.topology.nodes;
        let node = nodes.iter().position(|found| found.id == node);
        let node = node.ok_or("there is no such memory node with CPUs")?;
        let local = f64::from(u8::from(crew.nodes.iter().all(|own| *own == node)));
        let (way, core) = self.read_seconds(&crew, |_| Reads::of(each, local));
        let memory = bytes / (self.description.memory.node_gb_per_second.at(node) * 1e9);
        Ok(bytes / (overlapped(&[way, core, memory]) * crew.slowdown))
    }

    /// The node that takes longest, and the core that takes longest, when every worker reads its part.
    pub(super) fn read_seconds(&self, crew: &Crew, reads: impl Fn(usize) -> Reads) -> (f64, f64) {
        let memory = &self.description.memory;
        let mut by_node = vec![0.0; self.layout.nodes];
        let mut core: f64 = 0.0;
        // Threads that move read what another node's thread touched, and leave their caches behind.
        let (stays, moved) = if crew.pinned {
            (1.0, 1.0)
        } else {
            (1.0 / crew.nodes_used as f64, memory.unpinned_factor)
        };
        for (worker, node) in crew.nodes.iter().enumerate() {
            let Reads { near, far } = reads(worker);
            let (near, far) = (near * stays, far + near * (1.0 - stays));
            let bytes = (near + far / memory.remote_factor) / moved;
            by_node[*node] += bytes;
            let sharers = crew.sharers[worker];
            let gain = if sharers > 1 { memory.smt_gain } else { 1.0 };
            let rate = memory.core_gb_per_second * 1e9 * gain / sharers as f64;
            core = core.max(bytes / rate);
        }
        (self.giving_seconds(&by_node), core)
    }

    /// The node that takes longest to give what is read of each, bytes.
    pub(super) fn giving_seconds(&self, bytes: &[f64]) -> f64 {
        let rate = |node| self.description.memory.node_gb_per_second.at(node) * 1e9;
        let seconds = bytes
            .iter()
            .enumerate()
            .map(|(node, bytes)| bytes / rate(node));
        seconds.fold(0.0, f64::max)
    }
}
