//! The three acts, by the binaries: tune a model, look at what was written, serve it with the
//! profile; and the ways in which a profile may not fit.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};
use sysinfer_conformance::fixtures::{self, tiny_model};
use sysinfer_conformance::product::{Server, command, said};
use sysinfer_engine::PhasePlan;
use sysinfer_machine::CpuList;

/// The profile of the tiny model on this host, measured once per test run.
fn profile() -> &'static Path {
    static PROFILE: OnceLock<PathBuf> = OnceLock::new();
    PROFILE.get_or_init(|| {
        let folder = fixtures::folder("profile");
        let path = folder.join("profile.toml");
        let output = command("sysinfer-tune")
            .arg(tiny_model())
            .args([
                "--quick",
                "--no-wait",
                "--time-limit",
                "10",
                "--lengths",
                "32,64",
                "--prefill",
                "64",
            ])
            .arg("--output")
            .arg(&path)
            .output()
            .expect("the tuner starts");
        assert!(output.status.success(), "{}", said(&output));
        let text = said(&output);
        // On a busy host the run is not to be trusted, and to serve by it is not what comes next.
        let next = match text.contains("NOT TO BE TRUSTED") {
            true => "tune again",
            false => "sysinfer-server",
        };
        assert!(text.contains(next), "what comes next is not said:\n{text}");
        for file in [
            "samples.csv",
            "throughput.csv",
            "throughput.svg",
            "step-time.svg",
            "summary.md",
            "report.html",
            "report.json",
        ] {
            let file = folder.join("profile-report").join(file);
            let length = std::fs::metadata(&file).map_or(0, |data| data.len());
            assert!(length > 100, "{} has {length} bytes", file.display());
        }
        path
    })
}

/// The profile with `from` replaced, in a folder that lives as long as the result.
fn changed(from: &str, to: &str) -> (tempfile::TempDir, PathBuf) {
    let text = std::fs::read_to_string(profile()).expect("it was written");
    assert!(
        text.contains(from),
        "{from:?} is not in the profile:\n{text}"
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("changed.toml");
    std::fs::write(&path, text.replacen(from, to, 1)).expect("a small file");
    (folder, path)
}

fn server_refuses(profile: &Path) -> String {
    let output = command("sysinfer-server")
        .arg(tiny_model())
        .args(["--port", "0", "--host", "127.0.0.1", "--profile"])
        .arg(profile)
        .output()
        .expect("the server starts");
    assert!(
        !output.status.success(),
        "it was accepted:\n{}",
        said(&output)
    );
    said(&output)
}

#[test]
fn what_the_tuner_wrote_is_what_the_server_runs() {
    // However busy the host is that this test runs on.
    let server = Server::start(
        command("sysinfer-server")
            .arg(tiny_model())
            .arg("--force-untrusted")
            .arg("--profile")
            .arg(profile()),
    );
    let (status, body) = server.get("/props");
    assert_eq!(status, 200, "{body}");
    let props: Value = serde_json::from_str(&body).expect("props are JSON");
    let written = sysinfer_profiles::Profile::load(profile()).expect("the tuner's own profile");
    for (name, wanted) in [
        ("decode", &written.plan.decode),
        ("prefill", &written.plan.prefill),
    ] {
        let running = &props["plan"][name];
        // A plan that leaves threads unpinned has no CPUs to list.
        let cpus = CpuList::new(wanted.cpus.clone()).map_or("none".into(), |cpus| cpus.to_string());
        assert_eq!(running["threads"], wanted.threads, "{name}");
        assert_eq!(running["map"], wanted.map, "{name}");
        assert_eq!(running["cpus"], cpus, "{name}");
    }
    let kernels = serde_json::to_value(&written.plan.kernels).expect("plain data");
    assert_eq!(props["plan"]["kernels"], kernels);
    let blocking = serde_json::to_value(&written.plan.blocking).expect("plain data");
    assert_eq!(props["plan"]["blocking"], blocking);
    for (block, kernels) in &written.plan.kernels {
        let name = kernels.decode.as_deref().expect("the tuner names kernels");
        assert!(
            server.log.contains(name),
            "{block}'s kernel is not in the log:\n{}",
            server.log
        );
    }

    let question = json!({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8});
    let (status, body) = server.post("/v1/chat/completions", &question);
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).expect("answers are JSON");
    assert_eq!(answer["object"], "chat.completion");
    assert!(
        answer["usage"]["completion_tokens"]
            .as_u64()
            .is_some_and(|n| n >= 1),
        "{body}"
    );
}

#[test]
fn another_host_is_refused_with_the_difference_named() {
    let text = std::fs::read_to_string(profile()).expect("it was written");
    let line = text
        .lines()
        .find(|line| line.starts_with("cpu_model"))
        .expect("a CPU model");
    let (_folder, path) = changed(line, "cpu_model = \"Kunpeng 920\"");
    let message = server_refuses(&path);
    assert!(
        message.contains("cpu_model") && message.contains("Kunpeng 920"),
        "{message}"
    );
    let server = Server::start(
        command("sysinfer-server")
            .arg(tiny_model())
            .arg("--force-profile")
            .arg("--profile")
            .arg(&path),
    );
    assert_eq!(server.get("/health").0, 200);
}

/// The profile of this host as a run leaves it that was disturbed: a plan that nobody should run.
fn untrusted() -> (tempfile::TempDir, PathBuf) {
    let mut profile = sysinfer_profiles::Profile::load(profile()).expect("the tuner's own profile");
    for team in [&mut profile.plan.decode, &mut profile.plan.prefill] {
        *team = PhasePlan::unpinned(3);
    }
    profile.evidence.trusted = Some(false);
    profile.evidence.not_trusted_because = "280 of 281 samples were disturbed".into();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("untrusted.toml");
    sysinfer_profiles::store::save_atomic(&path, &profile).expect("written");
    (folder, path)
}

#[test]
fn a_profile_that_is_not_to_be_trusted_is_not_run_unless_forced() {
    let (_folder, path) = untrusted();
    for forced in [false, true] {
        let mut server = command("sysinfer-server");
        server.arg(tiny_model()).arg("--profile").arg(&path);
        if forced {
            server.arg("--force-untrusted");
        }
        let server = Server::start(&mut server);
        let warnings = server.log.matches("NOT TO BE TRUSTED").count();
        assert_eq!(warnings, 1, "{}", server.log);
        assert!(server.log.contains("--force-untrusted"), "{}", server.log);
        let props: Value = serde_json::from_str(&server.get("/props").1).expect("props are JSON");
        let shown = &props["profile"];
        assert_eq!(shown["trusted"], false, "{shown}");
        assert_eq!(shown["applied"], forced, "{shown}");
        assert_eq!(
            shown["not_trusted_because"],
            "280 of 281 samples were disturbed"
        );
        let is_its_plan =
            props["plan"]["decode"]["map"] == "unpinned" && props["plan"]["decode"]["threads"] == 3;
        assert_eq!(is_its_plan, forced, "{}", props["plan"]);
    }
}

#[test]
fn commands_refuse_a_profile_that_is_not_to_be_trusted_unless_forced() {
    let (_folder, path) = untrusted();
    let model = tiny_model().display().to_string();
    let profile = path.display().to_string();
    let bench = [
        "bench",
        &model,
        "--lengths",
        "32",
        "--prefill",
        "none",
        "--repeat",
        "1",
    ];
    let bench = [&bench[..], &["--profile", &profile]].concat();
    for line in [
        bench,
        vec!["export", &profile, "--format", "env"],
        vec!["verify", &profile, &model, "--quick", "--repeat", "1"],
    ] {
        let output = command("sysinfer-tune").args(&line).output();
        let output = output.expect("the tuner starts");
        let text = said(&output);
        assert!(!output.status.success(), "{line:?}: {text}");
        assert!(
            text.contains("NOT TO BE TRUSTED: 280 of 281") && text.contains("--force-untrusted"),
            "{line:?}: {text}"
        );
        let output = command("sysinfer-tune")
            .args(&line)
            .arg("--force-untrusted")
            .output();
        let text = said(&output.expect("the tuner starts"));
        assert!(text.contains("NOT TO BE TRUSTED"), "{line:?}: {text}");
        assert!(
            !text.contains("or add --force-untrusted"),
            "{line:?}: {text}"
        );
    }
    let output = command("sysinfer-tune").arg("show").arg(&path).output();
    let text = said(&output.expect("the tuner starts"));
    assert!(text.starts_with("NOT TO BE TRUSTED: "), "{text}");
}

#[test]
fn a_typo_in_a_profile_is_an_error_with_line_and_key() {
    let text = std::fs::read_to_string(profile()).expect("it was written");
    let line = 1 + text
        .lines()
        .position(|l| l.starts_with("threads"))
        .expect("a thread count");
    let (_folder, path) = changed("\nthreads", "\nthreadz");
    let message = server_refuses(&path);
    assert!(
        message.contains("threadz") && message.contains(&format!("line {line}")),
        "{message}"
    );
}

#[test]
fn the_original_command_line_and_environment_are_honoured() {
    let cpu = sysinfer_machine::allowed_cpus()[0].to_string();
    let server = Server::start(
        command("server")
            .arg(tiny_model())
            .args(["-t", "0.0", "-n", "16"])
            .env("OMP_NUM_THREADS", "1")
            .env("GOMP_CPU_AFFINITY", &cpu),
    );
    let (_, body) = server.get("/props");
    let props: Value = serde_json::from_str(&body).expect("props are JSON");
    assert_eq!(props["plan"]["decode"]["threads"], 1, "{body}");
    assert_eq!(props["plan"]["decode"]["cpus"], cpu, "{body}");
    assert!(
        server.log.contains("OMP_NUM_THREADS"),
        "no line says so:\n{}",
        server.log
    );
}

#[test]
fn another_machine_can_be_planned_for() {
    let output = command("sysinfer-tune")
        .arg("--dry-run")
        .env("HWLOC_SYNTHETIC", "pack:2 numa:2 l3:1 core:24 pu:1")
        .output()
        .expect("the tuner starts");
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("22+22+22+22") && text.contains("0-21,24-45,48-69,72-93"),
        "{text}"
    );
}

#[test]
fn a_mistyped_machine_is_named_and_not_passed_over() {
    for (program, option) in [
        ("sysinfer-tune", "--dry-run"),
        ("sysinfer-server", "-t=0.0"),
    ] {
        let output = command(program)
            .arg(tiny_model())
            .arg(option)
            .env("HWLOC_SYNTHETIC", "nonsense")
            .output()
            .expect("it starts");
        let text = said(&output);
        assert!(!output.status.success(), "{text}");
        assert!(text.contains("nonsense"), "{program}: {text}");
    }
}
