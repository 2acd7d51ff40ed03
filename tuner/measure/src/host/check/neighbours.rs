//! Processes that are pinned to our CPUs: the kernel cannot move them out of the way.

use sysinfer_machine::{Neighbour, Topology};

use super::found::{Check, UNKNOWN, list_text};
use super::root::Root;

/// Processes that are named.
const MAX_NAMED: usize = 5;

pub(super) fn check(root: &Root, topology: &Topology, check: &mut Check) {
    let neighbours = root.neighbours(topology);
    let working = neighbours
        .pinned
        .iter()
        .filter(|other| !other.claims.is_empty());
    let named = |other: &Neighbour| format!("{other} on {}", list_text(&other.claims));
    let mut words: Vec<String> = working.map(named).collect();
    let more = words.len().saturating_sub(MAX_NAMED);
    words.truncate(MAX_NAMED);
    if more > 0 {
        words.push(format!("{more} more"));
    }
    let seen = match (words.is_empty(), neighbours.blind) {
        (true, None) => "none".to_owned(),
        (true, Some(blind)) => format!("{UNKNOWN}: {blind}"),
        (false, None) => words.join(", "),
        (false, Some(blind)) => format!("{}; {blind}", words.join(", ")),
    };
    check.fact("others pinned to these CPUs", seen);
    if !words.is_empty() {
        check.finding(
            format!(
                "other processes are pinned to CPUs that may be used here: {}",
                words.join(", ")
            ),
            "stop them while tuning, or start with `taskset -c` on CPUs that they leave free",
        );
    }
}
