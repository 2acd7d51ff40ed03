//! What a stopwatch says of a team's regions.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use sysinfer_machine::{SpinPolicy, Stopwatch, Team, TeamSpec};

/// A team that is not pinned and sleeps.
fn team(threads: usize) -> Team {
    Team::new(TeamSpec {
        threads,
        spin: SpinPolicy::Never,
        ..TeamSpec::default()
    })
    .unwrap()
}

/// A clock that only work moves, so that times are exact; threads do not share a moment, so each
/// region is of a team of one.
#[test]
fn a_stopwatch_tells_kinds_and_laps_apart() {
    let time = AtomicU64::new(5);
    let clock = || Duration::from_nanos(time.load(Relaxed));
    let pass = |nanoseconds| {
        time.fetch_add(nanoseconds, Relaxed);
    };
    let stopwatch = Stopwatch::new(&clock, 2);
    let mut team = team(1);
    team.enter_timed(Some(&stopwatch), |lead| {
        pass(1000); // between regions: nobody's
        lead.run_as(1, (), |_, ()| pass(10));
        lead.run_as(2, (), |_, ()| pass(200));
        let stopwatch = lead.stopwatch().expect("it was handed in");
        lead.run_as(1, (), |worker, ()| {
            pass(3);
            stopwatch.lap(worker, 0);
            pass(40);
        });
    });
    let times = stopwatch.take(1);
    assert_eq!(times.own, [[3, 50, 200].map(Duration::from_nanos)]);
    assert_eq!(times.regions, Duration::from_nanos(253));
    team.enter(|lead| {
        assert!(lead.stopwatch().is_none(), "off unless it is handed in");
        lead.run_as(1, (), |_, ()| pass(10));
    });
    let nothing = stopwatch.take(2);
    assert_eq!((nothing.regions, nothing.own[0][1]), Default::default());
}

/// By a real clock: no member's own time exceeds the regions, and those that had less to do waited.
#[test]
fn a_members_own_time_is_within_the_regions() {
    let start = std::time::Instant::now();
    let clock = || start.elapsed();
    for threads in [1, 2, 5] {
        let stopwatch = Stopwatch::new(&clock, threads);
        let mut team = team(threads);
        team.enter_timed(Some(&stopwatch), |lead| {
            for _ in 0..20 {
                lead.run_as(0, (), |worker, ()| {
                    std::hint::black_box((0..1000 * (worker + 1)).sum::<usize>());
                });
            }
        });
        let times = stopwatch.take(threads);
        assert_eq!(times.own.len(), threads);
        for own in times.own {
            assert!(
                own[0] > Duration::ZERO && own[0] <= times.regions,
                "{own:?}"
            );
        }
    }
}

#[test]
#[should_panic(expected = "a stopwatch for 1 members, a team of 2")]
fn a_stopwatch_must_have_room_for_the_team() {
    let clock = || Duration::ZERO;
    let stopwatch = Stopwatch::new(&clock, 1);
    team(2).enter_timed(Some(&stopwatch), |_| {});
}
