//! Runs that other load disturbed, by the binary: what they leave says so first and keeps the default.

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use sysinfer_machine::Runner;
use sysinfer_profiles::Profile;

/// Said before anything else.
const MARK: &str = "NOT TO BE TRUSTED";

/// A folder with a described host of which half the samples are void, and whose best plan is not its
/// default.
fn disturbed_host() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let host = concat!(env!("CARGO_MANIFEST_DIR"), "/../../hosts/slow-node.toml");
    let text = std::fs::read_to_string(host).expect("a host file");
    let lines = text
        .lines()
        .map(|line| match line.starts_with("void_chance") {
            true => "void_chance = 0.5",
            false => line,
        });
    let lines: Vec<&str> = lines.collect();
    std::fs::write(folder.path().join("host.toml"), lines.join("\n")).expect("written");
    folder
}

fn tune(folder: &Path, more: &str) -> Output {
    let mut command = Runner::of_process().command(env!("CARGO_BIN_EXE_sysinfer-tune"));
    for variable in ["HWLOC_SYNTHETIC", "HWLOC_XMLFILE"] {
        command.env_remove(variable);
    }
    let line = "--simulate host.toml --synthetic llama3-8b --lengths 32,128 -o p.toml --report r";
    command.current_dir(folder).args(line.split_whitespace());
    let output = command.args(more.split_whitespace()).output();
    let output = output.expect("the tuner starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    output
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).expect(name)
}

fn first_lines(text: &str) -> String {
    text.lines().take(3).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_disturbed_run_keeps_the_default_and_says_so_first() {
    let folder = disturbed_host();
    let said = printed(&tune(folder.path(), ""));
    assert!(first_lines(&said).contains(MARK), "{said}");
    assert!(!said.contains("faster than the default"), "{said}");
    for name in ["p.toml", "r/summary.md"] {
        let text = read(folder.path(), name);
        assert!(first_lines(&text).contains(MARK), "{name}: {text}");
    }
    let page = read(folder.path(), "r/report.html");
    let body = page.split_once("<main>").map_or("", |(_, body)| body);
    assert!(
        body.chars().take(100).collect::<String>().contains(MARK),
        "{body}"
    );
    assert!(read(folder.path(), "r/throughput.csv").contains(",false\n"));
    assert!(read(folder.path(), "r/throughput.svg").contains(MARK));

    let kept = Profile::load(&folder.path().join("p.toml")).expect("a profile");
    assert_eq!(kept.evidence.trusted, Some(false));
    let why = kept.distrust().expect("a reason");
    assert!(
        why.contains("samples") && why.contains("disturbed: "),
        "{why}"
    );
    assert_eq!(
        (kept.evidence.gain_decode, kept.evidence.gain_prefill),
        (1.0, 1.0)
    );

    let said = printed(&tune(folder.path(), "--force-untrusted --format json"));
    let value: Value = serde_json::from_str(&said).expect("one object");
    assert!(first_lines(&said).contains("\"trusted\": false"), "{said}");
    assert!(value["headline"].to_string().contains(MARK), "{said}");
    let forced = Profile::load(&folder.path().join("p.toml")).expect("a profile");
    assert_eq!(forced.evidence.trusted, Some(false));
    assert_ne!(forced.plan, kept.plan, "the plan that was found");
    assert_eq!(forced.evidence.gain_decode, 1.0, "nothing of it is proven");
    // What was measured was measured under the plan that was found.
    assert!(kept.evidence.lengths.is_empty());
    assert_eq!(kept.evidence.read_gb_per_second, None);
    assert_eq!(forced.evidence.lengths.len(), 2);
}

#[test]
fn a_disturbed_profile_is_shown_with_a_warning_and_not_exported() {
    let folder = disturbed_host();
    tune(folder.path(), "");
    let run = |line: &str| {
        let mut command = Runner::of_process().command(env!("CARGO_BIN_EXE_sysinfer-tune"));
        command.current_dir(folder.path()).args(line.split(' '));
        command.output().expect("the tuner starts")
    };
    assert!(printed(&run("show p.toml")).starts_with(MARK));
    let refused = run("export p.toml");
    assert!(!refused.status.success() && refused.stdout.is_empty());
    let complaint = String::from_utf8_lossy(&refused.stderr);
    assert!(
        complaint.contains(MARK) && complaint.contains("--force-untrusted"),
        "{complaint}"
    );
    assert!(printed(&run("export p.toml --force-untrusted")).starts_with("# NOT TO BE TRUSTED"));
}
