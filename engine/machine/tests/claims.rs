//! Processes that start together and want a core each: whatever happens, no two are pinned to the same.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use sysinfer_machine::{Neighbours, Picked, Runner, Topology, seats, settle};

/// Says to the process of a test that it is one of those that start together.
const ONE_OF_MANY: &str = "SYSINFER_TEST_ONE_OF_MANY";
/// How long a look takes at least: time for the others to look as well.
const LOOK: Duration = Duration::from_millis(20);
/// Processes for every core.
const CROWD: usize = 3;

/// What each of them does: takes a core, says which, and stays until its input ends.
fn one_of_many() {
    let topology = Topology::discover().expect("this host");
    let look = || {
        let seen = Neighbours::of_this_host(&topology);
        // On a large host, looking takes its time.
        std::thread::sleep(LOOK);
        seen
    };
    println!("\nready");
    let _ = std::io::stdin().read_exact(&mut [0]);
    let pick = |seen: &Neighbours| {
        let seats = seats(&topology, 1, seen);
        let (cpus, free) = (seats.cpus.clone(), seats.cpus.clone());
        Ok::<_, ()>(Picked {
            value: seats,
            cpus,
            free,
        })
    };
    let (seats, _claim) = settle(look, pick).expect("a choice");
    println!("\nchose {:?} {:?}", seats.cpus, seats.why);
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

struct Started {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Started {
    fn new() -> Started {
        let program = std::env::current_exe().expect("this program");
        let mut command = Runner::of_process().command(program);
        command.args(["--exact", "no_two_take_the_same_core", "--nocapture"]);
        command.env(ONE_OF_MANY, "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a process");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut started = Started { child, output };
        started.says("ready");
        started
    }

    fn go(&mut self) {
        let input = self.child.stdin.as_mut().expect("piped");
        input.write_all(b"!").expect("it listens");
    }

    /// The CPUs it chose, and why.
    fn chose(&mut self) -> (String, String) {
        let line = self.says("chose ");
        let (cpus, why) = line.split_once(' ').expect("a list and a reason");
        (cpus.to_owned(), why.to_owned())
    }

    /// What follows these words in a line of its own.
    fn says(&mut self, words: &str) -> String {
        let mut lines = self.output.by_ref().lines();
        let rest = |line: std::io::Result<String>| {
            let line = line.expect("text");
            line.strip_prefix(words).map(str::to_owned)
        };
        lines.find_map(rest).expect("it says so")
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn no_two_take_the_same_core() {
    if std::env::var_os(ONE_OF_MANY).is_some() {
        return one_of_many();
    }
    let topology = Topology::discover().expect("this host");
    let cores = topology.cores();
    let before = Neighbours::of_this_host(&topology);
    if cores < 2 {
        println!("SKIPPED: with one core there is no choice");
        return;
    }
    let mut crowd: Vec<Started> = (0..CROWD * cores.min(8)).map(|_| Started::new()).collect();
    crowd.iter_mut().for_each(Started::go);
    let chosen: Vec<(String, String)> = crowd.iter_mut().map(Started::chose).collect();
    let pinned: Vec<&String> = chosen
        .iter()
        .map(|(cpus, _)| cpus)
        .filter(|cpus| *cpus != "[]")
        .collect();
    let different: BTreeSet<&String> = pinned.iter().copied().collect();
    assert_eq!(different.len(), pinned.len(), "{chosen:?}");
    if let Some(blind) = before.blind {
        println!("SKIPPED: that each has a core of its own; {blind}");
        assert!(pinned.is_empty(), "{chosen:?}");
        return;
    }
    // Others on this host may have come or gone meanwhile, so that all that is certain is: somebody
    // was pinned, or somebody else had every core.
    let crowded = chosen.iter().all(|(_, why)| why.starts_with("Crowded"));
    assert!(!pinned.is_empty() || crowded, "{chosen:?}");
    assert!(pinned.len() <= cores);
    println!("{} of {} were pinned", pinned.len(), chosen.len());
}
