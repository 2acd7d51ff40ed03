//! What an empty region costs on this host, for 1 to N threads: `barrier_cost [N]`. About five such
//! regions per layer are the fixed price of a token, so this bounds how many threads can pay off.

use std::error::Error;
use std::time::Instant;

use sysinfer_machine::{MapPolicy, SpinPolicy, Team, TeamSpec, Topology, effective_cpus, place};

const ROUNDS: usize = 15;
const PHASES_PER_ROUND: u32 = 5_000;

fn main() -> Result<(), Box<dyn Error>> {
    let topology = Topology::discover()?;
    let effective_cpus = effective_cpus(&topology);
    let most = std::env::args()
        .nth(1)
        .map_or(Ok(effective_cpus), |text| text.parse())?;
    println!(
        "{} ({}), {effective_cpus} effective CPUs",
        topology.summary(),
        topology.source
    );
    println!("threads  spins  median ns/region  best ns/region");
    for threads in 1..=most {
        // Beyond the CPUs there are, and on a machine that is not this one, nothing is pinned.
        let policy = if topology.is_this_host && threads <= topology.cpus.len() {
            MapPolicy::Compact
        } else {
            MapPolicy::Unpinned
        };
        let cpus = place(&topology, policy, threads)?;
        let spec = TeamSpec {
            threads,
            cpus,
            topology: Some(&topology),
            spin: SpinPolicy::Auto,
            effective_cpus,
        };
        let mut team = Team::new(spec)?;
        let rounds = nanoseconds_per_region(&mut team);
        let spins = team.spins();
        println!(
            "{threads:7}  {spins:5}  {:15.1}  {:13.1}",
            rounds[ROUNDS / 2],
            rounds[0]
        );
    }
    Ok(())
}

/// One mean per round, ascending.
fn nanoseconds_per_region(team: &mut Team) -> Vec<f64> {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            team.enter(|lead| {
                let start = Instant::now();
                for _ in 0..PHASES_PER_ROUND {
                    lead.run((), |_, ()| {});
                }
                start.elapsed().as_nanos() as f64 / f64::from(PHASES_PER_ROUND)
            })
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds
}
