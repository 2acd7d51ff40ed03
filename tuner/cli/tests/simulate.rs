//! `--simulate` and `study` as a user runs them: what they write, and that nobody can take it for a
//! measurement.

use std::path::{Path, PathBuf};
use std::process::Output;

use sysinfer_machine::{Runner, Topology, host_info};
use sysinfer_profiles::{HostMatch, Profile, matching};

fn hosts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hosts")
}

fn tune(arguments: &[&str]) -> Output {
    let mut command = Runner::of_process().command(env!("CARGO_BIN_EXE_sysinfer-tune"));
    command
        .args(arguments)
        .env_remove("HWLOC_SYNTHETIC")
        .env_remove("HWLOC_XMLFILE");
    command.output().expect("the binary runs")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of plain characters")
}

#[test]
fn a_simulated_run_ends_with_a_profile_that_no_host_takes() {
    let directory = tempfile::tempdir().expect("a directory");
    let profile = directory.path().join("p.toml");
    let host = hosts().join("kunpeng-96.toml");
    let narrow = ["--threads", "48,88", "--lengths", "32,128", "--quick"];
    let mut line = vec!["--simulate", text(&host), "--synthetic", "llama3-8b"];
    line.extend(narrow);
    line.extend(["-o", text(&profile)]);
    let ended = tune(&line);
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}{complaint}");
    assert!(said.contains("SIMULATION"), "{said}");
    let profile = Profile::load(&profile).expect("a profile");
    let model = &profile.host.cpu_model;
    assert!(model.contains("SIMULATED"), "{model}");
    assert!([48, 88, 96].contains(&profile.plan.decode.threads));
    assert_eq!(profile.evidence.lengths.len(), 2);
    let serving = profile.serving.expect("limits for many users");
    assert_eq!((serving.parallel, serving.token_gap_ms), (16, 100));
    let steps = &profile.evidence.steps;
    let sequences: Vec<usize> = steps.iter().map(|step| step.sequences).collect();
    assert_eq!(sequences[..5], [1, 2, 4, 8, 16]);
    assert!(
        steps.last().is_some_and(|step| step.prompt_rows > 0),
        "{steps:?}"
    );
    let csv = directory.path().join("p-report/concurrency.csv");
    let csv = std::fs::read_to_string(csv).expect("figures of many sequences");
    assert_eq!(csv.lines().count(), 1 + steps.len(), "{csv}");
    let here = host_info(&Topology::discover().expect("a host"));
    let HostMatch::Different(differences) = matching::check(&profile, &here) else {
        panic!("a simulated profile was taken for one of this host");
    };
    assert!(
        differences.iter().any(|d| d.field == "cpu_model"),
        "{differences:?}"
    );
    let summary = directory.path().join("p-report/summary.md");
    let summary = std::fs::read_to_string(summary).expect("a summary");
    let heading = summary.lines().next().unwrap_or_default();
    assert!(heading.contains("SIMULATED"), "{heading}");
    for words in [
        "core speeds are modelled from kernels of this program, not measured",
        "At 128 tokens bound by memory: kernels could read ",
    ] {
        assert!(summary.contains(words), "{words}");
    }
}

#[test]
fn a_simulated_run_goes_over_no_profile_that_was_measured() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    std::fs::create_dir(path("sysinfer-profile-report")).expect("made");
    let measured = [
        "sysinfer-profile.toml",
        "sysinfer-profile-report/samples.csv",
    ];
    for name in measured {
        std::fs::write(path(name), "measured").expect("written");
    }
    let mut command = Runner::of_process().command(env!("CARGO_BIN_EXE_sysinfer-tune"));
    command.current_dir(directory.path()).arg("--simulate");
    command.arg(hosts().join("smt-hurts.toml"));
    command.args(["--synthetic", "tiny", "--lengths", "32", "--quick"]);
    let ended = command.output().expect("the binary runs");
    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{complaint}");
    for name in measured {
        let now = std::fs::read_to_string(path(name)).expect(name);
        assert_eq!(now, "measured", "{name}");
    }
    assert!(Profile::load(&path("sysinfer-simulated.toml")).is_ok());
    assert!(path("sysinfer-simulated-report/summary.md").is_file());
}

#[test]
fn a_wrong_host_file_is_answered_with_line_and_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let good = std::fs::read_to_string(hosts().join("cpu-quota.toml")).expect("shipped");
    let cases = [
        ("sigma = 0.03\n", "sigma = 3.0\n", "noise.sigma"),
        ("seed = 765", "sead = 765", "sead"),
        ("core:32 pu:1", "core:0 pu:1", "core:0"),
    ];
    for (right, wrong, expected) in cases {
        let path = directory.path().join("host.toml");
        std::fs::write(&path, good.replacen(right, wrong, 1)).expect("written");
        let ended = tune(&["--simulate", text(&path), "--synthetic", "tiny"]);
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success() && said.contains(expected), "{said}");
    }
}

#[test]
fn a_study_leaves_its_figures() {
    let directory = tempfile::tempdir().expect("a directory");
    let (files, output) = (directory.path().join("hosts"), directory.path().join("out"));
    std::fs::create_dir(&files).expect("made");
    std::fs::copy(hosts().join("smt-hurts.toml"), files.join("one.toml")).expect("copied");
    let line = [
        "study",
        "--runs",
        "2",
        "--hosts",
        text(&files),
        "-o",
        text(&output),
    ];
    let ended = tune(&line);
    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{complaint}");
    let csv = std::fs::read_to_string(output.join("study.csv")).expect("figures");
    assert_eq!(csv.lines().count(), 3, "{csv}");
    for name in ["summary.md", "smt-hurts.svg"] {
        let text = std::fs::read_to_string(output.join(name)).expect(name);
        assert!(text.contains("SIMULAT"), "{name}");
    }
    assert!(!tune(&["study", "--hosts", "/nonexistent"]).status.success());
}
