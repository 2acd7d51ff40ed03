//! Many rounds with more threads than CPUs: `barrier_rounds [THREADS [ROUNDS [park|spin]]]`; else twice
//! the CPUs, 100,000 rounds and `park`. Each round is a region in which every member counts. Shows that
//! no wake-up is lost (it ends), and what waiting costs: CPU time beside time, and CPU time while all
//! wait for one member that sleeps.
//!
//! `park` is what a team does that has more threads than CPUs; `spin` has it spin all the same, as where
//! CPUs were taken away after it was made. Then each round waits for the system's scheduler: ask for few.

use std::error::Error;
use std::time::{Duration, Instant};

use sysinfer_machine::{SpinPolicy, Team, TeamSpec, each};

/// How long one member sleeps while the others wait.
const SLEEP: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let cpus = std::thread::available_parallelism()?.get();
    let threads = words.next().map_or(Ok(2 * cpus), |word| word.parse())?;
    let rounds: u64 = words.next().map_or(Ok(100_000), |word| word.parse())?;
    let spin = match words.next().as_deref() {
        None | Some("park") => false,
        Some("spin") => true,
        Some(other) => return Err(format!("{other:?}: say park or spin").into()),
    };
    let mut team = Team::new(TeamSpec {
        threads,
        cpus: Vec::new(),
        topology: None,
        spin: if spin {
            SpinPolicy::Auto
        } else {
            SpinPolicy::Never
        },
        // What it says of itself: that all its threads can run at once.
        effective_cpus: threads,
    })?;

    let mut counts = vec![0u64; threads];
    let (time, cpu_time) = timed(|| {
        team.enter(|lead| {
            for _ in 0..rounds {
                lead.run(each(&mut counts), |_, count| *count += 1);
            }
        });
    })?;
    if counts.iter().any(|count| *count != rounds) {
        return Err(format!("not every member was in every round: {counts:?}").into());
    }
    let (waiting, cpu_waiting) = timed(|| {
        team.enter(|lead| {
            lead.run((), |worker, ()| {
                if worker == threads - 1 {
                    std::thread::sleep(SLEEP);
                }
            });
        });
    })?;

    let way = if team.spins() { "spin" } else { "park" };
    println!("{threads} threads on {cpus} CPUs, {rounds} rounds, {way}");
    println!(
        "rounds:             {:8.2} s, {:.2} s of CPU time, {:.1} us a round",
        time.as_secs_f64(),
        cpu_time.as_secs_f64(),
        time.as_secs_f64() * 1e6 / rounds as f64
    );
    println!(
        "while one sleeps:   {:8.2} s, {:.2} s of CPU time",
        waiting.as_secs_f64(),
        cpu_waiting.as_secs_f64()
    );
    Ok(())
}

/// How long `run` took, and the CPU time of all threads of this process meanwhile.
fn timed(run: impl FnOnce()) -> Result<(Duration, Duration), Box<dyn Error>> {
    let (start, cpu_start) = (Instant::now(), cpu_time()?);
    run();
    Ok((start.elapsed(), cpu_time()?.saturating_sub(cpu_start)))
}

/// User and system time of this process, in steps of the system's clock ticks.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name, in parentheses, is field 2 and may have spaces; utime and stime are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: Vec<u64> = ticks.map(str::parse).collect::<Result<_, _>>()?;
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    let seconds = ticks.iter().sum::<u64>() as f64 / ticks_per_second as f64;
    Ok(Duration::from_secs_f64(seconds))
}
