//! Processes that start together and want a core each: whatever happens, no two are pinned to the same.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use sysinfer_machine::{Neighbours, Picked, Topology, seats, settle};

/// Says to the process of a test that it is one of those that start together.
const ONE_OF_MANY: &str = "SYSINFER_TEST_ONE_OF_MANY";
/// Processes for every core.
const CROWD: usize = 3;

/// What each of them does: takes a core, says which, and stays until its input ends.
fn one_of_many() {
    let topology = Topology::discover().expect("this host");
    let look = || Neighbours::of_this_host(&topology);
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

struct Started(Child);

impl Started {
    fn new() -> Started {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "no_two_take_the_same_core", "--nocapture"]);
        command.env(ONE_OF_MANY, "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Started(command.spawn().expect("a process"))
    }

    /// The CPUs it chose, and why.
    fn chose(&mut self) -> (String, String) {
        let output = BufReader::new(self.0.stdout.as_mut().expect("piped"));
        let mut lines = output.lines().map(|line| line.expect("text"));
        let line = lines.find_map(|line| line.strip_prefix("chose ").map(str::to_owned));
        let line = line.expect("a choice");
        let (cpus, why) = line.split_once(' ').expect("a list and a reason");
        (cpus.to_owned(), why.to_owned())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
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
