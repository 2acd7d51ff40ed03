//! Read bandwidth of a team: the roof of decoding.
//!
//! Every worker writes its share of a buffer first, so that the pages lie on its own node, as the
//! weights do; then all stream their shares at once, several times. Huge pages, no cache: the
//! buffer is several times the last-level cache.

use sysinfer_engine::PhasePlan;
use sysinfer_machine::{NodeBuffer, Pages, Ranges, Team, Topology, effective_cpus};
use sysinfer_probe::Point;

use super::streaming::{pass, write};
use super::{GRAIN_BYTES, MIN_BYTES, require_beyond_caches};
use crate::own_team::own_team;

/// Passes per reading; the first of a fresh buffer is a warm-up and not counted.
const PASSES: usize = 5;
/// Enough that no last-level cache of today holds a useful part of it.
const USUAL_BYTES: u64 = 1 << 30;

/// A team and the buffer that it streams.
pub struct TeamReader {
    phase: PhasePlan,
    team: Team,
    buffer: NodeBuffer,
    shares: Ranges,
}

impl TeamReader {
    /// Makes the team and fills the buffer. `available_bytes` of memory may be used in part.
    ///
    /// # Errors
    /// The host refuses threads or memory, or has so little of it free that caches would hold the
    /// buffer; the text is for users.
    pub fn new(
        phase: &PhasePlan,
        topology: &Topology,
        available_bytes: u64,
    ) -> Result<Self, String> {
        let bytes = buffer_bytes(topology, available_bytes);
        require_beyond_caches(bytes, topology.l3_total_bytes())?;
        let team = own_team(
            phase.threads,
            &phase.cpus,
            topology,
            effective_cpus(topology),
        )?;
        let buffer =
            NodeBuffer::new(bytes, Pages::Transparent).map_err(|error| error.to_string())?;
        let shares = Ranges::split(bytes, GRAIN_BYTES, phase.threads);
        let nodes = team.nodes(topology);
        if nodes.iter().any(|node| *node != nodes[0]) {
            for (share, node) in shares.iter().zip(nodes) {
                // Where that is forbidden (containers), the node of the writing threads decides.
                let _ = buffer.bind(share, node);
            }
        }
        let mut reader = Self {
            phase: phase.clone(),
            team,
            buffer,
            shares,
        };
        write(&mut reader.team, &mut reader.buffer, &reader.shares);
        reader.pass();
        Ok(reader)
    }

    /// Whether this reader has the team of `phase`.
    pub fn is_for(&self, phase: &PhasePlan) -> bool {
        self.phase.threads == phase.threads && self.phase.cpus == phase.cpus
    }

    /// One point per pass.
    pub fn read(&mut self) -> Vec<Point> {
        (0..PASSES).map(|_| self.pass()).collect()
    }

    fn pass(&mut self) -> Point {
        let bytes: &[u8] = &self.buffer;
        let slices: Vec<&[u8]> = self.shares.iter().map(|share| &bytes[share]).collect();
        pass(&mut self.team, &slices)
    }
}

/// A gibibyte, four times the last-level caches if that is more, a quarter of what is free if
/// that is less.
fn buffer_bytes(topology: &Topology, available_bytes: u64) -> usize {
    let wanted = USUAL_BYTES
        .max(4 * topology.l3_total_bytes())
        .min(available_bytes / 4)
        .max(MIN_BYTES);
    let bytes = usize::try_from(wanted).unwrap_or(USUAL_BYTES as usize);
    bytes - bytes % GRAIN_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_exceed_caches_and_spare_memory() {
        let mut topology = Topology::flat(&[0, 1]);
        topology.caches.l3_bytes = 32 << 20;
        let gib = 1u64 << 30;
        let cases = [(64 * gib, gib), (2 * gib, gib / 2), (0, MIN_BYTES)];
        for (available, expected) in cases {
            assert_eq!(
                buffer_bytes(&topology, available) as u64,
                expected,
                "{available}"
            );
        }
        topology.caches.l3_bytes = 512 << 20;
        assert_eq!(buffer_bytes(&topology, 64 * gib) as u64, 2 * gib);
    }

    #[test]
    fn a_buffer_that_caches_hold_is_refused() {
        let mut topology = Topology::flat(&[0]);
        topology.caches.l3_bytes = 512 << 20;
        let refused = TeamReader::new(&PhasePlan::unpinned(1), &topology, 1 << 30);
        let message = refused.err().expect("a quarter of the memory");
        assert!(
            message.contains("last-level caches of 0.537 GB"),
            "{message}"
        );
        assert!(message.contains("buffer of 0.268 GB"), "{message}");
    }

    #[test]
    fn a_pass_reads_the_whole_buffer() {
        let topology = Topology::flat(&[0]);
        let mut reader =
            TeamReader::new(&PhasePlan::unpinned(2), &topology, MIN_BYTES).expect("a small buffer");
        let points = reader.read();
        assert_eq!(points.len(), PASSES);
        assert!(
            points
                .iter()
                .all(|point| point.bytes == MIN_BYTES as f64 && point.seconds > 0.0)
        );
        assert!(reader.is_for(&PhasePlan::unpinned(2)) && !reader.is_for(&PhasePlan::unpinned(1)));
    }
}
