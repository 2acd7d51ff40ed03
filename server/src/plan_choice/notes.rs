//! What the log says about CPUs: where threads went and why, who else is there, how many would fit.

use std::collections::BTreeSet;

use sysinfer_engine::PhasePlan;
use sysinfer_machine::{CpuList, Neighbour, Neighbours, Topology, Why, surplus};

/// Neighbours that a line names; of others it says how many.
const MOST_NAMED: usize = 3;

/// CPU ids in `taskset -c` form.
pub fn compressed(cpus: &[usize]) -> String {
    // An empty list has no such form.
    CpuList::new(cpus.to_vec()).map_or_else(|_| "none".into(), |list| list.to_string())
}

/// Where the threads of an untuned team went, if that was a choice.
pub(super) fn choice(team: &PhasePlan, why: &Why, topology: &Topology) -> Option<String> {
    let all = all_cpus(topology);
    let pinned = format!("CPUs: {} of {}", compressed(&team.cpus), compressed(&all));
    let unpinned = "CPUs: unpinned, the system's scheduler moves threads";
    let own = "a cpuset, or CPUs named with --cpus, would be ours to pin to";
    match why {
        Why::EveryCore | Why::NoRoom => None,
        Why::Alone => Some(format!("{pinned}, since no other process is pinned there")),
        Why::Beside(others) => Some(format!("{pinned}, away from {}", named(others, &all))),
        Why::Crowded(others) => Some(format!(
            "{unpinned}: {} free of others, beside {}; {own}",
            match team.threads {
                1 => "no core is".to_owned(),
                threads => format!("fewer than {threads} cores are"),
            },
            named(others, &all)
        )),
        Why::Blind(blind) => Some(format!("{unpinned}: {blind}; {own}")),
    }
}

/// That others work on the CPUs of a team that is pinned there whoever else is.
pub(super) fn shared(team: &PhasePlan, by: &str, neighbours: &Neighbours) -> Option<String> {
    let others: Vec<Neighbour> = neighbours.on(&team.cpus).into_iter().cloned().collect();
    (!others.is_empty()).then(|| {
        format!(
            "CPUs {} from {by} are not ours alone: {}; threads on one CPU take turns, and every step \
             waits for the last of them; give each process CPUs of its own with --cpus",
            compressed(&team.cpus),
            named(&others, &team.cpus)
        )
    })
}

/// That servers with the same profile, on CPUs that are a part of the host, may not see each other.
pub(super) fn unseen(
    team: &PhasePlan,
    by: &str,
    neighbours: &Neighbours,
    topology: &Topology,
) -> Option<String> {
    let blind = neighbours.blind?;
    let is_part = !team.cpus.is_empty() && team.threads < topology.cores();
    is_part.then(|| {
        format!(
            "CPUs: {} from {by}, whoever else is there: {blind}; where several servers have one \
             profile, give each CPUs of its own with --cpus or a cpuset",
            compressed(&team.cpus)
        )
    })
}

/// That threads of a team get in each other's way, and how many would not.
pub(super) fn crowding(
    team: &PhasePlan,
    topology: &Topology,
    effective_cpus: usize,
) -> Option<String> {
    let different = team.cpus.iter().collect::<BTreeSet<_>>().len();
    let share = different > 0 && different < team.threads.min(effective_cpus + 1);
    match share {
        true => Some(format!(
            "{} threads share {different} CPUs; one thread per CPU is faster, and {different} would fit",
            team.threads
        )),
        false => surplus(team.threads, topology.cpus.len(), effective_cpus),
    }
}

fn all_cpus(topology: &Topology) -> Vec<usize> {
    let mut all: Vec<usize> = topology.cpus.iter().map(|cpu| cpu.id).collect();
    all.sort_unstable();
    all
}

/// `llama-server (process 7) on 0-3 and redis-server (process 9) on 5`; CPUs among `cpus`.
fn named(others: &[Neighbour], cpus: &[usize]) -> String {
    let one = |other: &Neighbour| {
        let mut there = other.claims.clone();
        there.retain(|cpu| cpus.contains(cpu));
        format!("{other} on {}", compressed(&there))
    };
    let mut words: Vec<String> = others.iter().take(MOST_NAMED).map(one).collect();
    if others.len() > MOST_NAMED {
        words.push(format!("{} more", others.len() - MOST_NAMED));
    }
    words.join(" and ")
}

#[cfg(test)]
mod tests {
    use sysinfer_machine::Blind;

    use super::*;

    fn team(threads: usize, cpus: &[usize]) -> PhasePlan {
        PhasePlan {
            threads,
            map: "given".into(),
            cpus: cpus.to_vec(),
        }
    }

    fn others(count: usize) -> Vec<Neighbour> {
        let other = |process| Neighbour {
            process,
            name: "llama-server".into(),
            claims: vec![0, 1, 9],
            idles: vec![3],
        };
        (7..7 + count).map(other).collect()
    }

    #[test]
    fn the_choice_is_said_with_its_reason() {
        let topology = Topology::flat(&[0, 1, 2, 3]);
        let said = |cpus: &[usize], why| choice(&team(2, cpus), &why, &topology);
        assert_eq!(said(&[0, 1, 2, 3], Why::EveryCore), None);
        for (cpus, why, words) in [
            (
                &[0, 1][..],
                Why::Alone,
                "CPUs: 0-1 of 0-3, since no other process is pinned there",
            ),
            (
                &[2, 3],
                Why::Beside(others(1)),
                "CPUs: 2-3 of 0-3, away from llama-server (process 7) on 0-1",
            ),
            (
                &[],
                Why::Crowded(others(5)),
                "fewer than 2 cores are free of others, beside llama-server (process 7) on 0-1 and ",
            ),
            (&[], Why::Crowded(others(5)), " and 2 more; a cpuset"),
            (&[], Why::Blind(Blind::Container), "outside this container"),
        ] {
            let line = said(cpus, why).expect("a choice");
            assert!(line.contains(words), "{line}");
        }
    }

    #[test]
    fn shared_cpus_and_too_many_threads_are_told_with_a_remedy() {
        let topology = Topology::flat(&[0, 1, 2, 3]);
        let mut neighbours = Neighbours {
            pinned: others(1),
            blind: None,
        };
        let line = shared(&team(2, &[1, 2]), "the profile", &neighbours).expect("CPU 1");
        let begin = "CPUs 1-2 from the profile are not ours alone: llama-server (process 7) on 1;";
        assert!(
            line.starts_with(begin) && line.ends_with("with --cpus"),
            "{line}"
        );
        assert_eq!(shared(&team(2, &[2, 3]), "--cpus", &neighbours), None);
        assert_eq!(shared(&team(2, &[]), "--cpus", &neighbours), None);

        let unseen = |threads, cpus: &[usize], neighbours: &Neighbours| {
            unseen(&team(threads, cpus), "the profile", neighbours, &topology)
        };
        assert_eq!(unseen(2, &[1, 2], &neighbours), None);
        neighbours.blind = Some(Blind::Container);
        let line = unseen(2, &[1, 2], &neighbours).expect("blind");
        assert!(
            line.contains("CPUs: 1-2 from the profile") && line.contains("container"),
            "{line}"
        );
        assert_eq!(unseen(4, &[0, 1, 2, 3], &neighbours), None, "every core");
        assert_eq!(unseen(2, &[], &neighbours), None, "not pinned");

        let told = |threads, cpus: &[usize], effective| {
            crowding(&team(threads, cpus), &topology, effective).unwrap_or_default()
        };
        assert_eq!(told(4, &[0, 1, 2, 3], 4), "");
        assert_eq!(told(2, &[], 2), "");
        assert!(told(4, &[0, 1, 0, 1], 3).ends_with("and 2 would fit"));
        assert!(told(8, &[], 4).ends_with("; 4 would fit"));
        assert!(told(4, &[0, 1, 2, 3], 2).ends_with("that the quota leaves take turns, and every step waits for the last of them; 2 would fit"));
    }
}
