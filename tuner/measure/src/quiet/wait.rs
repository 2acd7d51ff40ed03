//! Before a run: waiting for a busy host to become quiet, for a while, and saying who keeps it busy.
//!
//! What counts as quiet is what samples are judged by, so that a run does not begin where its first samples
//! would be void. The looks come through [`Lookout`]: tests bring their own, without a host and without
//! time.

use std::path::Path;
use std::time::{Duration, Instant};

use sysinfer_probe::{Disturbance, Interrupt, VoidKind};

use super::programs::{Program, Times, busiest, read_times};
use super::{Counters, Start, judge};

/// Time of one look, seconds: long enough for the kernel's ticks to tell.
const LOOK_SECONDS: f64 = 1.0;
/// So many looks in a row must find the host quiet: programs pause for breath.
const QUIET_LOOKS: usize = 2;
/// How often it is said that the host is still busy, seconds.
const SAY_SECONDS: f64 = 15.0;
/// Programs that are named.
const MOST_NAMED: usize = 5;
/// Programs that together explain less than this share of the load are not what keeps the host busy.
const EXPLAINED: f64 = 0.5;
/// Ctrl-C is answered within this time.
const ANSWER: Duration = Duration::from_millis(50);

/// What was seen in one look.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// How long it took.
    pub seconds: f64,
    /// Why a sample in its place would have been void, if so.
    pub disturbance: Option<Disturbance>,
    /// CPUs' worth of time that others took.
    pub others_cpus: f64,
    /// Programs that can be seen to have run, the busiest first.
    pub programs: Vec<Program>,
}

/// Looks at the host.
pub trait Lookout {
    /// What others do for about a second, during which this process does nothing; `None` where the system
    /// does not tell.
    fn look(&mut self, interrupt: &Interrupt) -> Option<Look>;
}

/// How the wait ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Waited {
    /// The host is quiet, after so many seconds.
    Quiet(f64),
    /// It is not, and waiting is over.
    Busy(f64),
    /// There was no time to wait, and nothing was looked at.
    NotAsked,
    /// The system does not tell.
    Unknown,
    /// Ctrl-C.
    Interrupted,
}

/// Looks until the host is quiet, for at most `most_seconds`; `say` gets the lines for the user. Without
/// time to wait, nothing is looked at.
pub fn wait_for_quiet(
    lookout: &mut dyn Lookout,
    most_seconds: f64,
    interrupt: &Interrupt,
    say: &mut dyn FnMut(&str),
) -> Waited {
    let (mut seconds, mut quiet, mut said_at) = (0.0, 0, None);
    if most_seconds <= 0.0 {
        return Waited::NotAsked;
    }
    loop {
        let look = lookout.look(interrupt);
        if interrupt.is_set() {
            return Waited::Interrupted;
        }
        let Some(look) = look else {
            say(
                "whether other programs use the CPUs cannot be seen here (/proc/stat is not readable): not waiting",
            );
            return Waited::Unknown;
        };
        seconds += look.seconds;
        let Some(why) = &look.disturbance else {
            quiet += 1;
            if quiet < QUIET_LOOKS {
                continue;
            }
            if said_at.is_some() {
                say(&format!("quiet after {seconds:.0} s: measuring"));
            }
            return Waited::Quiet(seconds);
        };
        quiet = 0;
        let who = who(&look);
        if seconds >= most_seconds {
            say(&format!(
                "still busy after {seconds:.0} s ({why}; {who}): measuring all the same; samples taken \
                 beside other load are void, and a run with many of them is not to be trusted"
            ));
            return Waited::Busy(seconds);
        }
        match said_at {
            None => say(&format!(
                "the host is busy: {why}; {who}; waiting up to {most_seconds:.0} s for it to be quiet \
                 (--wait SECONDS, --no-wait)"
            )),
            Some(at) if seconds - at >= SAY_SECONDS => {
                say(&format!("still busy after {seconds:.0} s: {why}; {who}"));
            }
            Some(_) => continue,
        }
        said_at = Some(seconds);
    }
}

/// `busiest: cc1plus (process 71) 98 % of a CPU, ...`, or that they cannot be seen.
fn who(look: &Look) -> String {
    const HIDDEN: &str = "run outside of this container or virtual machine, or ended meanwhile";
    if matches!(&look.disturbance, Some(why) if why.kind == VoidKind::Stolen) {
        return "programs of other guests cannot be seen from here".into();
    }
    let seen: f64 = look.programs.iter().map(|program| program.cpus).sum();
    let named: Vec<String> = look.programs.iter().take(MOST_NAMED).map(named).collect();
    let explained = seen >= EXPLAINED * look.others_cpus;
    match (named.is_empty(), explained) {
        (true, _) => format!("no program that can be seen from here is busy: they {HIDDEN}"),
        (false, true) => format!("busiest: {}", named.join(", ")),
        (false, false) => format!(
            "busiest of those that can be seen: {}; most {HIDDEN}",
            named.join(", ")
        ),
    }
}

fn named(program: &Program) -> String {
    let Program { name, id, cpus } = program;
    format!("{name} (process {id}) {:.0} % of a CPU", 100.0 * cpus)
}

/// The host that runs this process.
pub struct ThisHost {
    /// CPUs that samples will run on.
    cpus: Vec<usize>,
    /// What is known since the last look.
    before: Option<Sight>,
}

/// Counters at one moment.
struct Sight {
    at: Instant,
    counters: Counters,
    programs: Times,
}

impl Sight {
    fn now() -> Self {
        let proc = Path::new("/proc");
        Self {
            programs: read_times(proc, std::process::id()),
            counters: Counters::read(),
            at: Instant::now(),
        }
    }
}

impl ThisHost {
    /// Of which these CPUs are to be used.
    pub fn new(cpus: Vec<usize>) -> Self {
        Self { cpus, before: None }
    }
}

impl Lookout for ThisHost {
    fn look(&mut self, interrupt: &Interrupt) -> Option<Look> {
        let before = self.before.take().unwrap_or_else(Sight::now);
        let end = before.at + Duration::from_secs_f64(LOOK_SECONDS);
        while Instant::now() < end && !interrupt.is_set() {
            std::thread::sleep(ANSWER);
        }
        let after = Sight::now();
        let seconds = (after.at - before.at).as_secs_f64();
        let (then, now) = (
            before.counters.ticks.as_ref()?,
            after.counters.ticks.as_ref()?,
        );
        // All CPUs of the host, or those of it that may be used.
        let team = match now.count(&self.cpus) == now.count(&[]) {
            true => &[],
            false => &self.cpus[..],
        };
        let start = Start {
            sample: &before.counters,
            window: &before.counters,
            window_seconds: seconds,
        };
        let look = Look {
            seconds,
            disturbance: judge(&start, &after.counters, team),
            others_cpus: super::others_ticks(then, now, &[]) as f64
                / (super::TICKS_PER_SECOND * seconds),
            programs: busiest(&before.programs, &after.programs, seconds),
        };
        self.before = Some(after);
        Some(look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks of a second each, by a script: the last one goes on for ever.
    struct Script {
        looks: Vec<Option<Look>>,
        taken: usize,
        /// After so many looks someone presses Ctrl-C.
        interrupt_at: usize,
    }

    impl Script {
        fn new(looks: Vec<Option<Look>>) -> Self {
            Self {
                looks,
                taken: 0,
                interrupt_at: usize::MAX,
            }
        }
    }

    impl Lookout for Script {
        fn look(&mut self, interrupt: &Interrupt) -> Option<Look> {
            let look = self.looks[self.taken.min(self.looks.len() - 1)].clone();
            self.taken += 1;
            if self.taken >= self.interrupt_at {
                interrupt.set();
            }
            look
        }
    }

    fn program(name: &str, cpus: f64) -> Program {
        Program {
            name: name.into(),
            id: 71,
            cpus,
        }
    }

    fn quiet() -> Option<Look> {
        Some(Look {
            seconds: 1.0,
            disturbance: None,
            others_cpus: 0.0,
            programs: Vec::new(),
        })
    }

    fn busy(programs: Vec<Program>) -> Option<Look> {
        let why = "other load took 98 % of the CPUs";
        quiet().map(|look| Look {
            disturbance: Some(Disturbance::new(VoidKind::Busy, why)),
            others_cpus: 1.96,
            programs,
            ..look
        })
    }

    fn wait(script: &mut Script, most_seconds: f64) -> (Waited, Vec<String>) {
        let mut said = Vec::new();
        let interrupt = Interrupt::default();
        let waited = wait_for_quiet(script, most_seconds, &interrupt, &mut |line| {
            said.push(line.to_owned());
        });
        (waited, said)
    }

    #[test]
    fn a_quiet_host_is_not_waited_for_and_nothing_is_said() {
        let (waited, said) = wait(&mut Script::new(vec![quiet()]), 60.0);
        assert_eq!((waited, said.len()), (Waited::Quiet(2.0), 0));
    }

    #[test]
    fn a_busy_host_is_waited_for_until_it_is_quiet_for_two_looks() {
        let busy = || busy(vec![program("cc1plus", 0.98), program("ld", 0.5)]);
        let looks = vec![busy(), quiet(), busy(), quiet(), quiet()];
        let (waited, said) = wait(&mut Script::new(looks), 60.0);
        assert_eq!((waited, said.len()), (Waited::Quiet(5.0), 2));
        assert_eq!(
            said[0],
            "the host is busy: other load took 98 % of the CPUs; busiest: cc1plus (process 71) 98 % of a CPU, \
             ld (process 71) 50 % of a CPU; waiting up to 60 s for it to be quiet (--wait SECONDS, --no-wait)"
        );
        assert_eq!(said[1], "quiet after 5 s: measuring");
    }

    #[test]
    fn waiting_ends_and_says_that_it_goes_on() {
        let mut script = Script::new(vec![busy(vec![program("cc1plus", 1.9)])]);
        let (waited, said) = wait(&mut script, 40.0);
        assert_eq!((waited, script.taken), (Waited::Busy(40.0), 40));
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(
            said[1].starts_with("still busy after 16 s: other load"),
            "{said:?}"
        );
        assert!(said[3].contains("measuring all the same"), "{said:?}");
    }

    #[test]
    fn no_wait_looks_at_nothing() {
        let mut script = Script::new(vec![busy(Vec::new())]);
        let (waited, said) = wait(&mut script, 0.0);
        assert_eq!((waited, script.taken, said.len()), (Waited::NotAsked, 0, 0));
    }

    #[test]
    fn ctrl_c_ends_the_wait() {
        let mut script = Script::new(vec![busy(Vec::new())]);
        script.interrupt_at = 3;
        assert_eq!(wait(&mut script, 60.0).0, Waited::Interrupted);
        assert_eq!(script.taken, 3);
        let mut script = Script::new(vec![quiet()]);
        script.interrupt_at = 2;
        assert_eq!(wait(&mut script, 60.0).0, Waited::Interrupted);
    }

    #[test]
    fn what_cannot_be_seen_is_said() {
        let (waited, said) = wait(&mut Script::new(vec![None]), 60.0);
        assert_eq!(waited, Waited::Unknown);
        assert!(said[0].contains("cannot be seen here"), "{said:?}");
        let stolen = busy(vec![program("sh", 0.1)]).map(|look| Look {
            disturbance: Some(Disturbance::new(
                VoidKind::Stolen,
                "the hypervisor took 9 % of the CPUs",
            )),
            ..look
        });
        let cases = [
            (
                busy(Vec::new()),
                "no program that can be seen from here is busy",
            ),
            (
                busy(vec![program("sh", 0.1)]),
                "of those that can be seen: sh (process 71) 10 % of a CPU; most run outside",
            ),
            (stolen, "programs of other guests cannot be seen"),
        ];
        for (look, words) in cases {
            let (_, said) = wait(&mut Script::new(vec![look, quiet()]), 60.0);
            assert!(said[0].contains(words), "{said:?}");
        }
    }

    #[test]
    fn this_host_is_looked_at() {
        let interrupt = Interrupt::default();
        interrupt.set();
        let mut host = ThisHost::new(Vec::new());
        // With Ctrl-C pressed, a look takes no time.
        let look = host.look(&interrupt).expect("this host has /proc/stat");
        assert!(look.seconds < LOOK_SECONDS, "{look:?}");
    }
}
