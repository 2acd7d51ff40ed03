use sysinfer_machine::{Blind, Neighbour};

use super::*;

/// Four CPUs, ids 0 to 3, one node.
fn host() -> Topology {
    Topology::flat(&[0, 1, 2, 3])
}

fn phase(map: &str, cpus: &[usize]) -> PhasePlan {
    PhasePlan {
        threads: cpus.len(),
        map: map.into(),
        cpus: cpus.to_vec(),
    }
}

fn tuned() -> Plan {
    Plan {
        prefill: phase("compact", &[0, 1, 2, 3]),
        ..Plan::with_threads(phase("spread", &[3, 1]))
    }
}

fn asked(threads: impl Into<Option<usize>>, cpus: &str) -> Asked {
    let cpus = (!cpus.is_empty()).then(|| cpus.parse().expect("valid list"));
    Asked {
        threads: threads.into(),
        cpus,
        ..Asked::default()
    }
}

struct Case {
    name: &'static str,
    sources: Sources,
    decode: (usize, &'static str, Vec<usize>),
    prefill_cpus: Vec<usize>,
    notes: Vec<&'static str>,
    warnings: Vec<&'static str>,
}

const ALONE: &str = "CPUs: 0-2 of 0-3, since no other process is pinned there";
const FOUR_ON_THREE: &str = "4 threads on the 3 of 4 CPUs that the quota leaves take turns, and every step waits for the last of them; 3 would fit";

fn cases() -> Vec<Case> {
    let profile = || Sources {
        profile: Some(tuned()),
        ..Sources::default()
    };
    vec![
        Case {
            name: "default: effective CPUs, compact",
            sources: Sources::default(),
            decode: (3, "compact", vec![0, 1, 2]),
            prefill_cpus: vec![0, 1, 2],
            notes: vec![ALONE],
            warnings: vec![],
        },
        Case {
            name: "the profile as it stands",
            sources: profile(),
            decode: (2, "spread", vec![3, 1]),
            prefill_cpus: vec![0, 1, 2, 3],
            notes: vec![],
            warnings: vec![FOUR_ON_THREE],
        },
        Case {
            name: "fewer threads keep the head of each map",
            sources: Sources {
                environment: asked(1, ""),
                ..profile()
            },
            decode: (1, "spread", vec![3]),
            prefill_cpus: vec![0],
            notes: vec![
                "threads: 1 from OMP_NUM_THREADS, over 2 (decode) and 4 (prefill) from the profile",
            ],
            warnings: vec![],
        },
        Case {
            name: "command line over environment over profile",
            sources: Sources {
                command: asked(2, ""),
                environment: asked(4, "3,2,1,0"),
                ..profile()
            },
            decode: (2, "given", vec![3, 2]),
            prefill_cpus: vec![3, 2],
            notes: vec![
                "threads: 2 from --threads, over 4 from OMP_NUM_THREADS, over 4 from GOMP_CPU_AFFINITY, over 2 (decode) and 4 (prefill) from the profile",
                "CPUs: 3,2,1,0 from GOMP_CPU_AFFINITY, over 3,1 (decode) and 0-3 (prefill) from the profile",
            ],
            warnings: vec![],
        },
        Case {
            name: "a list alone says how many threads",
            sources: Sources {
                environment: asked(None, "2-3"),
                ..Sources::default()
            },
            decode: (2, "given", vec![2, 3]),
            prefill_cpus: vec![2, 3],
            notes: vec![
                "threads: 2 from GOMP_CPU_AFFINITY, over 3 from the default",
                "CPUs: 2-3 from GOMP_CPU_AFFINITY, over 0-2 from the default",
            ],
            warnings: vec![],
        },
        Case {
            name: "binding off ignores the list of the environment",
            sources: Sources {
                environment: asked(None, "2-3"),
                binding_off: true,
                ..Sources::default()
            },
            decode: (3, "unpinned", vec![]),
            prefill_cpus: vec![],
            notes: vec![
                "CPUs: unpinned from OMP_PROC_BIND=false, over 2-3 from GOMP_CPU_AFFINITY, over 0-2 from the default",
            ],
            warnings: vec![],
        },
        Case {
            name: "the command line's list binds although the environment says not to",
            sources: Sources {
                command: asked(None, "1"),
                binding_off: true,
                ..Sources::default()
            },
            decode: (1, "given", vec![1]),
            prefill_cpus: vec![1],
            notes: vec![
                "threads: 1 from --cpus, over 3 from the default",
                "CPUs: 1 from --cpus, over unpinned from OMP_PROC_BIND=false, over 0-2 from the default",
            ],
            warnings: vec![],
        },
        Case {
            name: "more threads than entries wrap, with a warning",
            sources: Sources {
                environment: asked(4, "0-1"),
                ..Sources::default()
            },
            decode: (4, "given", vec![0, 1, 0, 1]),
            prefill_cpus: vec![0, 1, 0, 1],
            notes: vec![
                "threads: 4 from OMP_NUM_THREADS, over 2 from GOMP_CPU_AFFINITY, over 3 from the default",
                "CPUs: 0-1 from GOMP_CPU_AFFINITY, over 0-2 from the default",
            ],
            warnings: vec!["4 threads share 2 CPUs; one thread per CPU is faster, and 2 would fit"],
        },
        Case {
            name: "more threads than the map of the profile: compact",
            sources: Sources {
                command: asked(3, ""),
                ..profile()
            },
            decode: (3, "compact", vec![0, 1, 2]),
            prefill_cpus: vec![0, 1, 2],
            notes: vec![
                "threads: 3 from --threads, over 2 (decode) and 4 (prefill) from the profile",
                ALONE,
            ],
            warnings: vec![],
        },
        Case {
            name: "where weights are, command line over environment over profile",
            sources: Sources {
                command: Asked {
                    weights: Some(WeightStorage::Mapped),
                    ..Asked::default()
                },
                environment: Asked {
                    weights: Some(WeightStorage::Packed),
                    ..Asked::default()
                },
                ..profile()
            },
            decode: (2, "spread", vec![3, 1]),
            prefill_cpus: vec![0, 1, 2, 3],
            notes: vec![
                "weights: mapped from --weights, over packed from SYSINFER_WEIGHTS, over auto from the profile",
            ],
            warnings: vec![FOUR_ON_THREE],
        },
        Case {
            name: "the file cache is kept or not, environment over profile",
            sources: Sources {
                environment: Asked {
                    keep_file_cache: Some(true),
                    ..Asked::default()
                },
                ..profile()
            },
            decode: (2, "spread", vec![3, 1]),
            prefill_cpus: vec![0, 1, 2, 3],
            notes: vec![
                "file cache is kept: true from SYSINFER_KEEP_FILE_CACHE, over false from the profile",
            ],
            warnings: vec![FOUR_ON_THREE],
        },
        Case {
            name: "more threads than CPUs: unpinned",
            sources: Sources {
                command: asked(9, ""),
                ..Sources::default()
            },
            decode: (9, "unpinned", vec![]),
            prefill_cpus: vec![],
            notes: vec!["threads: 9 from --threads, over 3 from the default"],
            warnings: vec![
                "9 threads on the 3 of 4 CPUs that the quota leaves take turns, and every step waits for the last of them; 3 would fit",
            ],
        },
    ]
}

#[test]
fn precedence() {
    for case in cases() {
        let choice = choose(&case.sources, &host(), 3, &Neighbours::default());
        let choice = choice.expect(case.name);
        let decode = &choice.plan.decode;
        assert_eq!(
            (decode.threads, decode.map.as_str(), decode.cpus.clone()),
            case.decode,
            "{}",
            case.name
        );
        assert_eq!(choice.plan.prefill.cpus, case.prefill_cpus, "{}", case.name);
        assert_eq!(choice.notes, case.notes, "{}", case.name);
        assert_eq!(choice.warnings, case.warnings, "{}", case.name);
    }
}

#[test]
fn of_a_profile_that_is_not_run_its_wishes_are_kept() {
    let sources = Sources {
        memory: Some(MemoryPlan {
            weights: WeightStorage::Mapped,
            bind_nodes: false,
            ..MemoryPlan::default()
        }),
        ..Sources::default()
    };
    let default = choose(&Sources::default(), &host(), 4, &Neighbours::default()).expect("a plan");
    let choice = choose(&sources, &host(), 4, &Neighbours::default()).expect("a plan");
    assert_eq!(choice.plan.decode, default.plan.decode);
    assert_eq!(choice.plan.memory, sources.memory.clone().expect("given"));
    let packed = Sources {
        command: Asked {
            weights: Some(WeightStorage::Packed),
            ..Asked::default()
        },
        ..sources
    };
    let choice = choose(&packed, &host(), 4, &Neighbours::default()).expect("a plan");
    assert_eq!(
        choice.notes,
        ["weights: packed from --weights, over mapped from the profile"]
    );
}

#[test]
fn foreign_cpus_are_errors_that_list_the_allowed_ones() {
    let list = Sources {
        environment: asked(None, "2-5"),
        ..Sources::default()
    };
    let profile = Plan::with_threads(phase("compact", &[0, 7]));
    let profile = Sources {
        profile: Some(profile),
        ..Sources::default()
    };
    for (sources, cpu, by) in [
        (list, "CPU 4", "GOMP_CPU_AFFINITY"),
        (profile, "CPU 7", "the profile"),
    ] {
        let refusal = choose(&sources, &host(), 4, &Neighbours::default());
        let message = refusal.expect_err(by).to_string();
        for part in [cpu, by, "allowed: 0-3"] {
            assert!(message.contains(part), "{message} lacks {part}");
        }
    }
}

/// Somebody works on CPU 0, and somebody may be unseen.
fn beside(claims: &[usize], blind: Option<Blind>) -> Neighbours {
    let other = Neighbour {
        process: 7,
        name: "other".into(),
        claims: claims.to_vec(),
        idles: Vec::new(),
    };
    Neighbours {
        pinned: vec![other],
        blind,
    }
}

#[test]
fn threads_go_where_nobody_else_is_pinned_unless_their_cpus_are_named() {
    let profile = || Sources {
        profile: Some(Plan::with_threads(phase("compact", &[0, 1]))),
        ..Sources::default()
    };
    let default = Sources::default;
    let command = |threads: Option<usize>, cpus| Sources {
        command: asked(threads, cpus),
        ..default()
    };
    let environment = |threads: Option<usize>, cpus| Sources {
        environment: asked(threads, cpus),
        ..default()
    };
    let (on_0, on_all) = (beside(&[0], None), beside(&[0, 1, 2, 3], None));
    let unseen = beside(&[], Some(Blind::Container));
    // Sources, effective CPUs, neighbours; the CPUs, those that must be free, words of the log.
    let cases = [
        (
            command(Some(2), ""),
            4,
            &on_0,
            &[1, 2][..],
            true,
            "CPUs: 1-2 of 0-3, away from other",
        ),
        (
            environment(Some(1), ""),
            4,
            &on_0,
            &[1],
            true,
            "CPUs: 1 of 0-3, away",
        ),
        (default(), 3, &on_0, &[1, 2, 3], true, "on 0"),
        (default(), 2, &unseen, &[], false, "outside this container"),
        (
            command(Some(1), ""),
            4,
            &on_all,
            &[],
            false,
            "no core is free of others",
        ),
        (
            default(),
            4,
            &on_0,
            &[0, 1, 2, 3],
            false,
            "CPUs 0-3 from the default are not ours alone",
        ),
        (default(), 4, &unseen, &[0, 1, 2, 3], false, ""),
        (
            command(None, "0"),
            4,
            &on_0,
            &[0],
            false,
            "CPUs 0 from --cpus are not ours alone",
        ),
        (
            environment(None, "0-1"),
            4,
            &on_0,
            &[0, 1],
            false,
            "CPUs 0-1 from GOMP_CPU_AFFINITY are",
        ),
        (command(None, "1"), 4, &on_0, &[1], false, ""),
        (command(None, "1"), 4, &unseen, &[1], false, ""),
        (
            profile(),
            4,
            &on_0,
            &[0, 1],
            false,
            "CPUs 0-1 from the profile are not ours alone",
        ),
        (
            profile(),
            4,
            &unseen,
            &[0, 1],
            false,
            "CPUs: 0-1 from the profile, whoever else is there",
        ),
    ];
    for (sources, effective, neighbours, cpus, is_free, words) in cases {
        let choice = choose(&sources, &host(), effective, neighbours).expect("a plan");
        let said = [choice.notes.clone(), choice.warnings.clone()]
            .concat()
            .join("\n");
        assert_eq!(choice.plan.decode.cpus, cpus, "{said}");
        assert!(said.contains(words), "{said} lacks {words}");
        let about_cpus = said.contains("away") || said.contains("ours") || said.contains("whoever");
        assert_eq!(about_cpus, !words.is_empty(), "{said}");
        let picked = choice.picked();
        assert_eq!(picked.cpus, cpus);
        assert_eq!(picked.free.is_empty(), !is_free);
    }
}
