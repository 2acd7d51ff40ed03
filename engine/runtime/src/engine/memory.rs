//! Where the memory of an engine is.

use std::io;

use super::Engine;
use crate::residency::{Located, collect};

/// Places of each region that are looked at.
const SAMPLES: usize = 64;

impl Engine {
    /// Where packed weights, and memory of the cache that no sequence has now, are: by the node of the workers
    /// that read them. Takes some milliseconds.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn residency(&self) -> io::Result<Vec<Located>> {
        let (nodes, _) = self.teams.nodes(&self.topology);
        let mut all = Vec::new();
        for matrix in self.model.weights.matrices() {
            for (node, bytes) in matrix.homes() {
                let found = sysinfer_machine::residency(bytes, SAMPLES)?;
                collect(&mut all, "weights", Some(node), &found);
            }
        }
        let one = nodes.first().copied();
        for (home, found) in self.cache.residency(SAMPLES)? {
            let node = match self.homes.nodes() {
                Some(homes) => Some(homes[home]),
                None => one.filter(|first| nodes.iter().all(|node| node == first)),
            };
            collect(&mut all, "KV cache", node, &found);
        }
        Ok(all)
    }
}
