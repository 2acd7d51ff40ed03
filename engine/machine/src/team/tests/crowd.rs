//! Workers that give their CPU away, and who does their parts meanwhile.

use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crate::team::crowd::{Crowd, Order, Turn};
use crate::{SpinPolicy, Team, TeamSpec, each};

fn team(threads: usize) -> Team {
    let team = Team::new(TeamSpec {
        threads,
        cpus: Vec::new(),
        topology: None,
        spin: SpinPolicy::Never,
        effective_cpus: threads,
    });
    team.expect("a few threads")
}

/// Waits until something is so, on however busy a host.
fn until(what: &str, reached: impl Fn() -> bool) {
    let began = Instant::now();
    while !reached() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "never so: {what}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn own() -> ThreadId {
    std::thread::current().id()
}

#[test]
fn the_parts_of_a_worker_that_rests_are_done_by_others_and_its_own_by_itself() {
    let mut team = team(3);
    let shared = std::sync::Arc::clone(&team.shared);
    let mut threads: Vec<Option<ThreadId>> = vec![None; 3];
    team.enter(|lead| {
        lead.run(each(&mut threads), |_, thread| *thread = Some(own()));
        let rests = threads[1];
        shared.crowd.tell(&[Order::Rest, Order::Stay]);
        lead.run_as(0, (), |_, ()| {});
        until("the worker rests", || shared.crowd.is_away(0));
        for _ in 0..100 {
            let mut now: Vec<Option<ThreadId>> = vec![None; 3];
            lead.run_as(0, each(&mut now), |_, thread| *thread = Some(own()));
            assert!(
                now.iter().all(Option::is_some) && now[1] != rests,
                "{now:?}"
            );
        }
        // Not if the part has to be its own: it comes back.
        let mut now: Vec<Option<ThreadId>> = vec![None; 3];
        lead.run(each(&mut now), |_, thread| *thread = Some(own()));
        assert_eq!(now, threads);
    });
}

#[test]
fn a_team_ends_while_a_worker_rests() {
    let mut team = team(2);
    let shared = std::sync::Arc::clone(&team.shared);
    shared.crowd.tell(&[Order::Rest]);
    team.enter(|lead| lead.run_as(0, (), |_, ()| {}));
    until("the worker rests", || shared.crowd.is_away(0));
    drop(team);
}

/// One that shares its CPU goes on doing its own part; a turn that is over is a matter of time, which no test waits
/// for in vain.
#[test]
fn a_worker_that_shares_its_cpu_comes_back() {
    let (crowd, mut turn) = (Crowd::new(1), Turn::default());
    crowd.tell(&[Order::Share]);
    for _ in 0..3 {
        crowd.make_room(0, &mut turn);
        std::thread::sleep(Duration::from_millis(2));
        assert!(crowd.anyone_makes_room() && !crowd.is_away(0));
    }
    crowd.tell(&[Order::Stay]);
    assert!(!crowd.anyone_makes_room());
}

#[test]
fn who_stays_has_no_turn_and_nobody_looks_where_all_stay() {
    let (crowd, mut turn) = (Crowd::new(2), Turn::default());
    crowd.make_room(0, &mut turn);
    assert!(!crowd.anyone_makes_room() && !crowd.is_away(0));
    crowd.call_back();
    // What is not told counts for nothing.
    crowd.make_room(0, &mut turn);
    assert!(!crowd.anyone_makes_room() && !crowd.is_away(0));
}
