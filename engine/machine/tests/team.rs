//! The team under stress: every region complete and visible, few CPUs and many threads, panics,
//! several teams, and parts that do not overlap.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread::ThreadId;

use sysinfer_machine::{
    CpuList, MachineError, PinReport, Ranges, SpinPolicy, Team, TeamSpec, Topology, allowed_cpus,
    columns, current_affinity, each, ranges, scattered,
};

fn team(threads: usize, spin: SpinPolicy, effective_cpus: usize) -> Team {
    Team::new(TeamSpec {
        threads,
        cpus: Vec::new(),
        topology: None,
        spin,
        effective_cpus,
    })
    .unwrap()
}

/// Each region reads what all workers wrote in the one before, so a region that starts early or a
/// write that is not yet visible gives a wrong sum.
fn stress(team: &mut Team, regions: usize) {
    let threads = team.threads();
    let mut even = vec![1usize; threads];
    let mut odd = vec![0usize; threads];
    for entry in 0..4 {
        team.enter(|lead| {
            for region in 0..regions {
                let (from, to) = if region % 2 == 0 {
                    (&even, &mut odd)
                } else {
                    (&odd, &mut even)
                };
                let work = |worker: usize, own: &mut usize| {
                    *own = from.iter().sum::<usize>() % 1009 + worker;
                };
                // Parts that are their members' own, between those that whoever has time does.
                if region % 3 == 0 {
                    lead.run(each(to), work);
                } else {
                    lead.run_as(0, each(to), work);
                }
            }
        });
        let mut expected = vec![1usize; threads];
        for _ in 0..(entry + 1) * regions {
            let sum = expected.iter().sum::<usize>() % 1009;
            expected = (0..threads).map(|worker| sum + worker).collect();
        }
        // An even number of regions ends where it began.
        assert_eq!(even, expected, "{threads} threads");
    }
}

#[test]
fn every_phase_sees_the_whole_one_before() {
    for (threads, regions) in [(1, 1000), (2, 2000), (3, 400), (8, 200), (20, 40)] {
        // Sleeping between regions, and spinning although there are too few CPUs.
        stress(&mut team(threads, SpinPolicy::Never, 64), regions);
        let mut spinning = team(threads, SpinPolicy::Auto, 64);
        assert!(spinning.spins());
        stress(&mut spinning, if threads > 2 { 4 } else { regions });
    }
}

/// A team that cannot spin: whoever waits sleeps, and must be woken in every region.
#[test]
fn more_threads_than_cpus_miss_no_region() {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let mut team = team(2 * cpus + 1, SpinPolicy::Auto, cpus);
    assert!(!team.spins());
    stress(&mut team, 1000);
}

/// Members of four nodes wait at gates of their own and meet by node; where CPUs are decides nothing
/// else. Their numbers are those of no host, so that this is the same everywhere.
#[test]
fn a_team_over_nodes_sees_every_region() {
    let mut topology = Topology::from_synthetic("pack:2 numa:2 l3:1 core:22 pu:1").unwrap();
    for cpu in &mut topology.cpus {
        cpu.id += 1_000_000;
    }
    for threads in [88, 23, 3] {
        let ids = topology.cpus.iter().map(|cpu| cpu.id).rev();
        let mut team = Team::new(TeamSpec {
            threads,
            cpus: ids.take(threads).collect(),
            topology: Some(&topology),
            spin: SpinPolicy::Auto,
            effective_cpus: threads,
        })
        .unwrap();
        assert_eq!(team.nodes(&topology)[threads - 1], 3 - (threads - 1) / 22);
        stress(&mut team, 40);
    }
}

#[test]
fn each_worker_runs_once_per_phase_on_its_own_thread() {
    let mut team = team(5, SpinPolicy::Auto, 2);
    assert!(!team.spins());
    let mut threads: Vec<Option<ThreadId>> = vec![None; 5];
    let calls = AtomicUsize::new(0);
    team.enter(|lead| {
        assert_eq!(lead.threads(), 5);
        lead.run(each(&mut threads), |_, thread| {
            *thread = Some(std::thread::current().id());
            calls.fetch_add(1, Relaxed);
        });
        // The same threads again, and a region without parts.
        lead.run((), |worker, ()| {
            let name = std::thread::current().name().map(str::to_owned);
            assert!(
                worker == 0 || name == Some(format!("sysinfer-w{worker}")),
                "{name:?}"
            );
            calls.fetch_add(1, Relaxed);
        });
    });
    assert_eq!(calls.into_inner(), 10);
    assert_eq!(threads[0], Some(std::thread::current().id()));
    threads.sort_by_key(|thread| format!("{thread:?}"));
    threads.dedup();
    assert_eq!(threads.len(), 5);
}

#[test]
fn a_panic_in_any_worker_is_raised_after_all_have_finished() {
    for panicking in 0..4 {
        let mut team = team(4, SpinPolicy::Never, 4);
        let finished = AtomicUsize::new(0);
        let result = catch_unwind(AssertUnwindSafe(|| {
            team.enter(|lead| {
                lead.run((), |worker, ()| {
                    if worker == panicking {
                        std::panic::panic_any(worker);
                    }
                    finished.fetch_add(1, Relaxed);
                });
            });
        }));
        assert_eq!(
            result.unwrap_err().downcast_ref::<usize>(),
            Some(&panicking)
        );
        assert_eq!(finished.into_inner(), 3);
        stress(&mut team, 10);
    }
}

#[test]
fn a_panic_of_the_lead_leaves_a_usable_team() {
    for spin in [SpinPolicy::Never, SpinPolicy::Auto] {
        let mut team = team(2, spin, 2);
        let result = catch_unwind(AssertUnwindSafe(|| {
            team.enter(|lead| {
                lead.run((), |_, ()| {});
                std::panic::panic_any("lead");
            })
        }));
        assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"lead"));
        stress(&mut team, 10);
    }
}

#[test]
fn parts_for_too_few_workers_are_refused_before_anything_runs() {
    let mut team = team(3, SpinPolicy::Never, 3);
    let mut few = [0; 2];
    let mut enough = [0; 3];
    let ran = AtomicBool::new(false);
    let result = catch_unwind(AssertUnwindSafe(|| {
        team.enter(|lead| {
            lead.run((each(&mut enough), each(&mut few)), |_, _| {
                ran.store(true, Relaxed)
            });
        });
    }));
    assert!(result.is_err());
    assert!(!ran.into_inner());
}

#[test]
fn parts_are_the_right_pieces() {
    let mut team = team(3, SpinPolicy::Never, 3);
    let by_column = Ranges::from_ranges(7, vec![0..3, 3..3, 4..7]).unwrap();
    let other = Ranges::from_ranges(9, vec![0..0, 0..5, 8..9]).unwrap();
    let by_row = Ranges::split(10, 4, 3);
    let mut matrix = vec![0usize; 2 * 8];
    let (mut top, mut bottom) = (vec![0usize; 7], vec![0usize; 9]);
    let mut line = vec![0usize; 12];
    let mut seen = vec![(0, 0, 0); 3];
    team.enter(|lead| {
        let rows = vec![(&mut top[..], &by_column), (&mut bottom[..], &other)];
        let parts = (
            columns(&mut matrix, 8, &by_column),
            scattered(rows),
            ranges(&mut line, &by_row),
            each(&mut seen),
        );
        lead.run(parts, |worker, (mut matrix, mut apart, line, seen)| {
            *seen = (matrix.rows(), matrix.first_column(), matrix.width());
            for row in 0..matrix.rows() {
                matrix.row_mut(row).fill(10 * (worker + 1) + row);
                assert_eq!(apart.rows(), 2);
                apart.row_mut(row).fill(10 * (worker + 1) + row);
            }
            line.fill(worker + 1);
        });
    });
    assert_eq!(
        matrix,
        [10, 10, 10, 0, 30, 30, 30, 0, 11, 11, 11, 0, 31, 31, 31, 0]
    );
    assert_eq!(top, [10, 10, 10, 0, 30, 30, 30]);
    assert_eq!(bottom, [21, 21, 21, 21, 21, 0, 0, 0, 31]);
    assert_eq!(line, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 0, 0]);
    assert_eq!(seen, [(2, 0, 3), (2, 3, 0), (2, 4, 3)]);
}

#[test]
fn parts_that_do_not_fit_their_data_are_refused() {
    let by = Ranges::split(8, 1, 2);
    let refused: [(&str, &dyn Fn()); 4] = [
        ("short slice", &|| {
            let _ = ranges(&mut [0; 7], &by);
        }),
        ("narrow matrix", &|| {
            let _ = columns(&mut [0; 14], 7, &by);
        }),
        ("part of a row", &|| {
            let _ = columns(&mut [0; 15], 10, &by);
        }),
        ("short row", &|| {
            drop(scattered(vec![(&mut [0; 8], &by), (&mut [0; 7], &by)]))
        }),
    ];
    for (what, make) in refused {
        assert!(catch_unwind(AssertUnwindSafe(make)).is_err(), "{what}");
    }
    let _ = columns(&mut [0; 0], 8, &by);
}

#[test]
fn pinned_members_are_where_they_should_be_and_the_leader_goes_back() {
    let before = current_affinity().unwrap();
    let cpus: Vec<usize> = before.iter().copied().take(2).collect();
    let spec = TeamSpec {
        threads: cpus.len(),
        cpus: cpus.clone(),
        topology: None,
        spin: SpinPolicy::Auto,
        effective_cpus: cpus.len(),
    };
    let mut team = Team::new(spec).unwrap();
    assert_eq!(team.pinned(), &PinReport::AllPinned);
    assert!(team.spins());
    let mut affinities: Vec<Vec<usize>> = vec![Vec::new(); cpus.len()];
    team.enter(|lead| {
        lead.run(each(&mut affinities), |_, own| {
            *own = current_affinity().unwrap()
        });
    });
    assert_eq!(
        affinities,
        cpus.iter().map(|&cpu| vec![cpu]).collect::<Vec<_>>()
    );
    assert_eq!(current_affinity().unwrap(), before);
    stress(&mut team, 500);
    let topology = Topology::flat(&before);
    assert_eq!(team.nodes(&topology), vec![0; cpus.len()]);
}

#[test]
fn refused_pins_are_reported_and_the_team_sleeps_instead_of_spinning() {
    let allowed = allowed_cpus();
    let list = CpuList::new(vec![allowed[0], 1_000_000]).unwrap();
    let spec = TeamSpec {
        threads: 3,
        cpus: list.assign(3),
        topology: None,
        spin: SpinPolicy::Auto,
        effective_cpus: 8,
    };
    let mut team = Team::new(spec).unwrap();
    match team.pinned() {
        PinReport::Refused { workers: 1, why } => assert!(why.contains("CPU 1000000"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(!team.spins());
    stress(&mut team, 20);
    // One CPU for two members: pinned, but spinning would keep each other from running.
    let cpus = vec![allowed[0]; 2];
    let spec = TeamSpec {
        threads: 2,
        cpus,
        topology: None,
        spin: SpinPolicy::Auto,
        effective_cpus: 8,
    };
    let mut crowded = Team::new(spec).unwrap();
    assert_eq!(crowded.pinned(), &PinReport::AllPinned);
    assert!(!crowded.spins());
    stress(&mut crowded, 20);
}

#[test]
fn teams_nest_and_coexist() {
    let mut outer = team(2, SpinPolicy::Auto, 2);
    let mut inner = team(3, SpinPolicy::Never, 2);
    let mut unused = team(2, SpinPolicy::Auto, 2);
    outer.enter(|lead| {
        lead.run((), |_, ()| {});
        stress(&mut inner, 10);
        lead.run((), |_, ()| {});
    });
    assert_eq!(unused.enter(|lead| lead.threads()), 2);
}

#[test]
fn impossible_teams_are_refused() {
    for (threads, cpus) in [
        (0, vec![]),
        (4097, vec![]),
        (usize::MAX, vec![]),
        (2, vec![0]),
        (1, vec![0, 1]),
    ] {
        let result = Team::new(TeamSpec {
            threads,
            cpus,
            ..TeamSpec::default()
        });
        assert!(
            matches!(
                result,
                Err(MachineError::ThreadCount { .. } | MachineError::CpuCount { .. })
            ),
            "{threads}"
        );
    }
}
