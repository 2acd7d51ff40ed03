//! How fast the cores of a team are at the moment: how fast they multiply and add, and how fast they hand
//! each other what they made.
//!
//! Prompts follow these where decoding follows memory: activations of every product are written by all
//! workers and read by all. Both move without the plan. Clock rates follow heat and load; on a shared host
//! another tenant may have the other thread of a core; and a hypervisor may move CPUs for seconds onto
//! cores that share a last-level cache, or that do not: there, data changes hands three times slower.

use std::time::{Duration, Instant};

use sysinfer_engine::PhasePlan;
use sysinfer_kernels::{arithmetic, stream};
use sysinfer_machine::{Team, Topology, effective_cpus, parts};
use sysinfer_probe::CoreReading;

use super::own_team::own_team;

/// Values that a worker squares: 16 KiB, half of the smallest first-level caches.
const VALUES: usize = 4096;
/// Times that it does so in a pass, which is then about as long as a phase of a step.
const TIMES: usize = 1000;
/// Bytes that a worker hands to another in a pass. Two such buffers lie in any second-level cache.
const HANDED_BYTES: usize = 128 << 10;
/// Passes per reading.
const PASSES: usize = 32;
/// Time after which the threads of a team without work sleep, with room.
const ASLEEP: Duration = Duration::from_millis(1);

/// A team that is read.
pub struct TeamCores {
    phase: PhasePlan,
    team: Team,
    /// What each worker wrote last, and what it writes next.
    handed: [Vec<Vec<u8>>; 2],
}

impl TeamCores {
    /// Makes the team.
    ///
    /// # Errors
    /// The host refuses threads; the text is for users.
    pub fn new(phase: &PhasePlan, topology: &Topology) -> Result<Self, String> {
        let team = own_team(
            phase.threads,
            &phase.cpus,
            topology,
            effective_cpus(topology),
        )?;
        // Each on its own, so that its worker is the first to touch it, and it lies on that one's node.
        let buffers = || (0..phase.threads).map(|_| vec![0u8; HANDED_BYTES]);
        Ok(Self {
            phase: phase.clone(),
            team,
            handed: [buffers().collect(), buffers().collect()],
        })
    }

    /// Whether this is the team of `phase`.
    pub fn is_for(&self, phase: &PhasePlan) -> bool {
        self.phase.threads == phase.threads && self.phase.cpus == phase.cpus
    }

    /// Takes some milliseconds. A pass ends when the last worker does, as phases of a step do.
    pub fn read(&mut self) -> CoreReading {
        let workers = self.phase.threads;
        let (squares, bytes) = (workers * VALUES * TIMES, workers * HANDED_BYTES);
        let reading = CoreReading {
            arithmetic: rate(squares, &self.multiply_add()),
            exchange: (workers > 1)
                .then(|| rate(bytes, &self.exchange()))
                .flatten(),
        };
        // Until its threads sleep, they spin on the CPUs of what is measured next.
        std::thread::sleep(ASLEEP);
        reading
    }

    /// Seconds of each pass.
    fn multiply_add(&mut self) -> Vec<f64> {
        let mut sums = vec![0f32; self.phase.threads];
        let mut seconds = Vec::with_capacity(PASSES);
        self.team.enter(|lead| {
            for _ in 0..PASSES {
                let started = Instant::now();
                lead.run(parts::each(&mut sums), |_, sum| {
                    *sum = arithmetic::multiply_add(&[0.5; VALUES], TIMES);
                });
                seconds.push(started.elapsed().as_secs_f64());
            }
        });
        std::hint::black_box(sums);
        seconds
    }

    /// Seconds of each pass, in which each worker reads what a far one wrote in the pass before.
    fn exchange(&mut self) -> Vec<f64> {
        let workers = self.phase.threads;
        let [before, after] = &mut self.handed;
        let mut seconds = Vec::with_capacity(PASSES);
        self.team.enter(|lead| {
            for _ in 0..PASSES {
                let started = Instant::now();
                lead.run(parts::each(&mut after[..]), |worker, own| {
                    let other = (worker + workers / 2) % workers;
                    // What is written depends on what was read, so that neither can be left out.
                    own.fill(stream::read(&before[other]) as u8 ^ 1);
                });
                seconds.push(started.elapsed().as_secs_f64());
                std::mem::swap(before, after);
            }
        });
        seconds
    }
}

/// `amount` over the seconds of a pass, in units of 10^9: the mean of the middle half of the passes, since
/// what hits one pass says nothing, and a core that is slower in some of them says something. `None` if
/// the clock stood still.
fn rate(amount: usize, seconds: &[f64]) -> Option<f64> {
    let passes = seconds.iter().filter(|seconds| **seconds > 0.0);
    let mut rates: Vec<f64> = passes
        .map(|seconds| amount as f64 / seconds / 1e9)
        .collect();
    rates.sort_by(f64::total_cmp);
    let outside = rates.len() / 4;
    let middle = &rates[outside..rates.len() - outside];
    (!middle.is_empty()).then(|| middle.iter().sum::<f64>() / middle.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_has_rates() {
        let topology = Topology::flat(&[0]);
        for threads in [1, 2, 3] {
            let phase = PhasePlan::unpinned(threads);
            let mut team = TeamCores::new(&phase, &topology).expect("a team");
            let found = team.read();
            assert!(found.arithmetic.is_some_and(|rate| rate > 0.0), "{found:?}");
            let exchanged = found.exchange.map(|rate| rate > 0.0);
            assert_eq!(exchanged, (threads > 1).then_some(true), "{found:?}");
            assert!(team.is_for(&phase) && !team.is_for(&PhasePlan::unpinned(4)));
        }
    }

    #[test]
    fn single_passes_do_not_move_the_rate_and_slow_cores_do() {
        let giga = 1_000_000_000;
        assert_eq!(rate(giga, &[1.0; 8]), Some(1.0));
        let mut seconds = [1.0; 8];
        (seconds[0], seconds[5]) = (50.0, 0.1);
        assert_eq!(rate(giga, &seconds), Some(1.0));
        seconds[..4].fill(2.0);
        assert_eq!(rate(giga, &seconds), Some(0.75));
        assert_eq!(rate(giga, &[0.0]), None);
        assert_eq!(rate(giga, &[]), None);
    }

    #[test]
    fn what_one_side_does_not_know_is_not_known() {
        let half = CoreReading {
            arithmetic: Some(4.0),
            exchange: None,
        };
        let sum = CoreReading::ZERO.plus(3.0, half).over(2.0);
        assert_eq!((sum.arithmetic, sum.exchange), (Some(6.0), None));
        assert_eq!(CoreReading::ZERO.over(0.0), CoreReading::default());
    }
}
