//! The profile as its users meet it: written, read back, misspelt, moved to another host.

mod common;

use common::{host, model, profile};
use sysinfer_machine::HostInfo;
use sysinfer_profiles::{
    HostMatch, LengthEvidence, MAX_LENGTHS, MAX_RUNS, Profile, ProfileError, matching, store,
};

#[test]
fn a_written_profile_reads_back_equal_and_explains_itself() {
    let text = profile().to_toml().expect("renders");
    assert_eq!(Profile::parse(&text, "test").expect("parses"), profile());
    for needed in [
        "# Profile of sysinfer",
        "schema = 1",
        "[plan.decode]",
        "[[evidence.lengths]]",
    ] {
        assert!(text.contains(needed), "{needed} is not in\n{text}");
    }
    for section in [
        "[created]",
        "[host]",
        "[model]",
        "[plan.decode]",
        "[plan.kernels.Q4_0]",
        "[plan.blocking]",
        "[plan.memory]",
        "[serving]",
        "[evidence]",
        "[[evidence.lengths]]",
        "[[evidence.steps]]",
    ] {
        let (before, _) = text.split_once(&format!("\n{section}\n")).expect(section);
        let above = before.lines().last().unwrap_or_default();
        assert!(
            above.starts_with('#'),
            "no comment above {section}: {above}"
        );
    }
    let cpus = text
        .lines()
        .find(|line| line.starts_with("cpus = [0, 1"))
        .expect("one line of CPUs");
    assert!(cpus.ends_with("93]"), "{cpus}");
}

/// TOML writes such texts over several lines, and some of these keys have a comment.
#[test]
fn texts_of_several_lines_stay_as_they_are() {
    for text in ["one\n", "\\\n'two'\n", "\nmap = 3\n[host]\n", "\"\"\"\\\n"] {
        let mut odd = profile();
        odd.plan.decode.map = text.into();
        odd.host.topology = text.into();
        odd.model.fingerprint = text.into();
        let written = odd.to_toml().expect("renders");
        assert_eq!(
            Profile::parse(&written, "test").expect("parses"),
            odd,
            "{written}"
        );
    }
}

#[test]
fn keys_of_older_profiles_are_read_under_their_names_of_then() {
    let text = profile().to_toml().expect("renders");
    let mut older = text.clone();
    for (now, then) in [
        ("decode_between_runs = ", "decode_drift = "),
        ("prefill_between_runs = ", "prefill_drift = "),
        ("independent_runs = ", "table_spells = "),
    ] {
        assert!(older.contains(now), "{now} is not in\n{text}");
        older = older.replace(now, then);
    }
    assert_eq!(Profile::parse(&older, "test").expect("parses"), profile());
}

#[test]
fn a_profile_that_is_not_to_be_trusted_says_so_in_its_first_line() {
    let mut spoilt = profile();
    assert!(spoilt.distrust().is_none());
    let reason = "280 of 281 samples\n# (100 %) were disturbed";
    spoilt.evidence.trusted = Some(false);
    spoilt.evidence.not_trusted_because = reason.into();
    let text = spoilt.to_toml().expect("renders");
    let first = text.lines().next().unwrap_or_default();
    assert_eq!(
        first,
        "# NOT TO BE TRUSTED: 280 of 281 samples # (100 %) were disturbed."
    );
    assert!(text.contains("\ntrusted = false  # [plan] is run with --force-untrusted only\n"));
    let again = Profile::parse(&text, "test").expect("parses");
    assert_eq!(again, spoilt);
    assert!(again.distrust().is_some());
}

#[test]
fn a_gain_is_called_one_in_the_file_where_its_interval_says_so() {
    let text = profile().to_toml().expect("renders");
    for line in [
        "gain_decode = 1.31  # rate over that of the untuned default, side by side: +31.0 % (+28.0 to +34.0)",
        "gain_prefill = 1.07  # the same for prompts: no proven gain (-2.0 to +15.0 %)",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
}

#[test]
fn profiles_of_before_trust_was_recorded_are_read_and_judged_by_their_counts() {
    let text = profile().to_toml().expect("renders");
    let is_new = |line: &&str| {
        ["trusted", "gain_decode_", "gain_prefill_"]
            .iter()
            .any(|key| line.starts_with(key))
    };
    let old: Vec<&str> = text.lines().filter(|line| !is_new(line)).collect();
    let old = old.join("\n");
    let profile = Profile::parse(&old, "old").expect("parses");
    assert_eq!(profile.evidence.trusted, None);
    assert_eq!(profile.distrust(), None);
    let spoilt = old.replacen("void_samples = 3", "void_samples = 249", 1);
    let profile = Profile::parse(&spoilt, "old").expect("parses");
    let why = profile.distrust().expect("too many void samples");
    assert_eq!(why, "249 of 250 samples (100 %) were disturbed");
}

/// What is replaced, by what, and what the message must contain.
type Spoiled = (&'static str, &'static str, &'static [&'static str]);

const SPOILED: &[Spoiled] = &[
    (
        "schema = 1",
        "schema = 2",
        &["schema", "version 2", "reads version 1"],
    ),
    (
        "schema = 1",
        "schema = \"1\"",
        &["schema", "string", "integer 1"],
    ),
    ("schema = 1\n", "", &["schema", "missing"]),
    (
        "threads = 88",
        "thread = 88",
        &["plan.decode", "`thread`", "did you mean threads"],
    ),
    (
        "threads = 88",
        "threads = \"88\"",
        &["plan.decode.threads", "invalid type"],
    ),
    (
        "threads = 88",
        "threads = 0",
        &["plan.decode.threads", "0", "1 to 4096"],
    ),
    (
        "threads = 88",
        "threads = -1",
        &["plan.decode.threads", "invalid value"],
    ),
    (
        "threads = 88",
        "threads = 87",
        &["plan.decode.cpus", "88 CPUs for 87 threads"],
    ),
    ("threads = 88", "threads = ", &["line"]),
    (
        "[plan.memory]",
        "[plan.memry]",
        &["`memry`", "did you mean memory"],
    ),
    (
        "[evidence]",
        "[colours]\nred = 1\n[evidence]",
        &["`colours`", "known here:"],
    ),
    (
        "gain_decode = 1.31",
        "gain_decode = nan",
        &["evidence.gain_decode", "NaN"],
    ),
    (
        "decode_between_runs = 0.012",
        "decode_between_runs = -0.012",
        &["evidence.decode_between_runs", "-0.012", "0 or a positive"],
    ),
    (
        "prefill_between_runs = 0.02",
        "prefill_between_runs = 2.5",
        &["evidence.prefill_between_runs", "at most 2", "5 %"],
    ),
    (
        "independent_runs = 4",
        "independent_runs = -4",
        &["evidence.independent_runs", "invalid value"],
    ),
    (
        "decode_runs = [60.5",
        "decode_runs = [-60.5",
        &["evidence.lengths.0.decode_runs", "-60.5"],
    ),
    ("gain_decode = 1.31", "", &["missing field `gain_decode`"]),
    (
        "gain_decode_low = 1.28",
        "gain_decode_low = -1.28",
        &["evidence.gain_decode_low", "-1.28", "0 or a positive"],
    ),
    (
        "gain_decode_high = 1.34",
        "",
        &["evidence.gain_decode_low", "both or none"],
    ),
    (
        "gain_prefill_low = 0.98",
        "gain_prefill_low = 1.98",
        &["evidence.gain_prefill_low", "a lower and an upper end"],
    ),
    (
        "trusted = true",
        "trusted = \"no\"",
        &["evidence.trusted", "invalid type"],
    ),
    (
        "trusted = true",
        "truested = true",
        &["`truested`", "did you mean trusted"],
    ),
    (
        "cpu_quota = 95.5",
        "cpu_quota = -1.0",
        &["host.cpu_quota", "positive"],
    ),
    (
        "prefill_rows = 128",
        "prefill_rows = 0",
        &["plan.blocking.prefill_rows", "1 to 4096"],
    ),
    (
        "total_tokens = 64",
        "total_token = 64",
        &["evidence.lengths", "did you mean total_tokens"],
    ),
    (
        "parallel = 16",
        "parallel = 0",
        &["serving.parallel", "1 to 1024"],
    ),
    (
        "token_gap_ms = 100",
        "token_gap_ms = 60001",
        &["serving.token_gap_ms", "1 to 60000"],
    ),
    (
        "parallel = 16",
        "parralel = 16",
        &["`parralel`", "did you mean parallel"],
    ),
    (
        "milliseconds = 20.25",
        "milliseconds = 0.0",
        &["evidence.steps.0.milliseconds", "no time"],
    ),
    (
        "prompt_rows = 256",
        "prompt_rows = 99999999",
        &["evidence.steps.1.prompt_rows", "at most"],
    ),
    (
        "sequences = 16",
        "sequences = 0",
        &["evidence.steps.0.sequences", "1 to"],
    ),
    (
        "decode = \"a-q4_0-r8\"",
        "decoed = \"a\"",
        &["plan.kernels.Q4_0", "did you mean decode"],
    ),
];

#[test]
fn every_mistake_names_its_line_and_key() {
    let good = profile().to_toml().expect("renders");
    let mut failures = Vec::new();
    for (from, to, needed) in SPOILED {
        assert!(good.contains(from), "{from} is not in the file");
        let bad = good.replacen(from, to, 1);
        let message = match Profile::parse(&bad, "host.toml") {
            Ok(_) => "accepted".to_string(),
            Err(error) => error.to_string(),
        };
        let missing: Vec<_> = needed
            .iter()
            .filter(|word| !message.contains(**word))
            .collect();
        if !missing.is_empty() || !message.starts_with("host.toml: line ") {
            failures.push(format!(
                "{from:?} -> {to:?}: {message}\n  lacks {missing:?}"
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_line_is_the_line_of_the_mistake() {
    let good = profile().to_toml().expect("renders");
    let bad = good.replacen("prefill_rows = 128", "prefil_rows = 64", 1);
    let expected = 1 + bad
        .lines()
        .position(|line| line.starts_with("prefil_rows"))
        .expect("there");
    match Profile::parse(&bad, "x") {
        Err(ProfileError::Invalid { line, .. }) => assert_eq!(line, expected),
        other => panic!("{other:?}"),
    }
    let bad = good.replacen("sampled = true", "sampled = true\ndecode_low = -1.5", 1);
    let expected = 1 + bad
        .lines()
        .position(|line| line.starts_with("decode_low = -1.5"))
        .expect("there");
    match Profile::parse(&bad, "x") {
        Err(ProfileError::Invalid { line, key, .. }) => {
            assert_eq!(
                (line, key.as_str()),
                (expected, "evidence.lengths.1.decode_low")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn hostile_texts_are_errors() {
    let deep = format!("schema = 1\na = {}", "[".repeat(100_000));
    let dotted = format!("schema = 1\n{}a = 1", "a.".repeat(60_000));
    for text in [
        "",
        "\u{0}",
        "schema",
        "= 1",
        "[[[",
        deep.as_str(),
        dotted.as_str(),
    ] {
        assert!(
            Profile::parse(text, "x").is_err(),
            "accepted {}",
            &text[..text.len().min(20)]
        );
    }
    let large = " ".repeat((1 << 20) + 1);
    assert!(matches!(
        Profile::parse(&large, "x"),
        Err(ProfileError::TooLarge { .. })
    ));
}

#[test]
fn the_longest_table_of_the_largest_teams_is_read_back() {
    let mut large = profile();
    let cpus: Vec<usize> = (0..4096).collect();
    for team in [&mut large.plan.decode, &mut large.plan.prefill] {
        team.threads = cpus.len();
        team.map = "spread".into();
        team.cpus = cpus.clone();
    }
    let runs = vec![12_345.678; MAX_RUNS];
    let row = LengthEvidence {
        total_tokens: 131_072,
        decode_runs: runs.clone(),
        prefill_runs: runs,
        ..large.evidence.lengths[0].clone()
    };
    large.evidence.lengths = vec![row; MAX_LENGTHS];
    let text = large.to_toml().expect("renders");
    assert_eq!(Profile::parse(&text, "x").expect("parses"), large);
}

#[test]
fn saving_replaces_the_file_and_leaves_nothing_else() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("p.toml");
    std::fs::write(&path, "old").expect("write");
    store::save_atomic(&path, &profile()).expect("saved");
    assert_eq!(Profile::load(&path).expect("loads"), profile());
    assert_eq!(
        std::fs::read_dir(directory.path()).expect("list").count(),
        1
    );
    let nowhere = directory.path().join("absent").join("p.toml");
    let error = store::save_atomic(&nowhere, &profile()).expect_err("no such directory");
    assert!(error.to_string().contains("-o"), "{error}");
    let error = Profile::load(&directory.path().join("q.toml")).expect_err("absent");
    assert!(error.to_string().contains("sysinfer-tune"), "{error}");
    assert!(
        Profile::load(directory.path()).is_err(),
        "a directory is no profile"
    );
}

#[test]
fn hosts_differ_in_what_a_plan_depends_on() {
    type Change = fn(&mut HostInfo);
    let changes: [(&str, Change); 9] = [
        ("cpu_model", |h| {
            h.cpu_model = "HiSilicon Kunpeng 920B (HIP09, 0x48/0xd02)".into();
        }),
        ("architecture", |h| h.architecture = "x86_64".into()),
        ("packages", |h| h.packages = 1),
        ("nodes", |h| h.nodes = 2),
        ("cores", |h| h.cores = 95),
        ("cpus", |h| h.cpus = 192),
        ("page_bytes", |h| h.page_bytes = 65_536),
        ("cpu_quota", |h| h.cpu_quota = None),
        ("memory_bytes", |h| h.memory_bytes = 256 << 30),
    ];
    for (field, change) in changes {
        let mut other = host();
        change(&mut other);
        match matching::check(&profile(), &other) {
            HostMatch::Different(differences) => {
                assert_eq!(differences.len(), 1, "{differences:?}");
                assert_eq!(differences[0].field, field);
                assert!(differences[0].to_string().contains(field));
            }
            HostMatch::Exact => panic!("{field} was not noticed"),
        }
    }
}

#[test]
fn what_does_not_matter_is_only_noted() {
    let mut later = host();
    later.kernel = "6.12.1".into();
    later.sve_bits = Some(128);
    later.memory_bytes = later.memory_bytes * 95 / 100;
    assert_eq!(matching::check(&profile(), &later), HostMatch::Exact);
    assert_eq!(matching::notices(&profile(), &later).len(), 1);
    assert!(matching::notices(&profile(), &host()).is_empty());

    assert!(matching::check_model(&profile(), &model()).is_empty());
    let mut other = model();
    other.fingerprint = "llama-40-5120".into();
    let notes = matching::check_model(&profile(), &other);
    assert!(
        notes.len() == 1 && notes[0].to_string().contains("llama-40-5120"),
        "{notes:?}"
    );
}

#[test]
fn cpus_must_be_the_hosts_own() {
    let topology = sysinfer_machine::Topology::flat(&[0, 1]);
    let error = matching::check_cpus(&profile(), &topology).expect_err("88 CPUs on a host of 2");
    let message = error.to_string();
    assert!(
        message.contains("plan.decode.cpus") && message.contains("allowed: 0-1"),
        "{message}"
    );
}

#[test]
fn runs_are_kept_or_told_from_what_is_there() {
    use sysinfer_profiles::{LengthEvidence, MAX_RUNS};
    let evidence = |samples, low, median, high| LengthEvidence {
        samples,
        decode_low: Some(low),
        decode_tokens_per_second: Some(median),
        decode_high: Some(high),
        ..LengthEvidence::default()
    };
    assert_eq!(evidence(1, 5.0, 5.0, 5.0).decode_rates(), [5.0]);
    assert_eq!(evidence(2, 4.0, 5.0, 6.0).decode_rates(), [4.0, 6.0]);
    assert_eq!(evidence(3, 4.0, 5.0, 7.0).decode_rates(), [4.0, 5.0, 7.0]);
    let recorded = LengthEvidence {
        decode_runs: vec![1.0, 2.0],
        prefill_tokens_per_second: Some(9.0),
        ..evidence(9, 1.0, 1.5, 2.0)
    };
    assert_eq!(recorded.decode_rates(), [1.0, 2.0]);
    assert_eq!(recorded.prefill_rates(), [9.0]);
    assert!(LengthEvidence::default().decode_rates().is_empty());
    let few = [3.0, 1.0, 2.0];
    assert_eq!(LengthEvidence::kept_runs(&few), few);
    let many: Vec<f64> = (0..1001).rev().map(f64::from).collect();
    let kept = LengthEvidence::kept_runs(&many);
    assert_eq!(kept.len(), MAX_RUNS);
    assert_eq!(
        (kept[0], kept[MAX_RUNS / 2], kept[MAX_RUNS - 1]),
        (0.0, 500.0, 1000.0)
    );
}
