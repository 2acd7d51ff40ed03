//! Runs that are killed with SIGKILL at random moments and resumed, by the binary: no finished sample is
//! lost or taken twice, and a valid profile comes out at the end.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use sysinfer_machine::Runner;
use sysinfer_profiles::Profile;

/// How often the run is killed.
const KILLS: usize = 20;
/// The most samples that a run lives to take.
const LONGEST_LIFE: u64 = 12;

struct Folder(tempfile::TempDir);

impl Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn tune(&self, arguments: &[&str]) -> Command {
        let mut command = Runner::of_process().command(env!("CARGO_BIN_EXE_sysinfer-tune"));
        for variable in ["HWLOC_SYNTHETIC", "HWLOC_XMLFILE"] {
            command.env_remove(variable);
        }
        command.current_dir(self.0.path()).args(arguments);
        command
    }

    /// The one run of this test, as far as it gets.
    fn run(&self) -> Command {
        let line = "--synthetic tiny --quick --time-limit 10 --threads 1 --lengths 32 --prefill 32 \
                    --repeat 1 -o p.toml --report r --resume --no-wait";
        self.tune(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Whole lines of the journal.
    fn journal(&self) -> Vec<u8> {
        let mut bytes = std::fs::read(self.path("r/journal.jsonl")).unwrap_or_default();
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        bytes.truncate(whole);
        bytes
    }
}

fn lines(journal: &[u8]) -> u64 {
    journal.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// A sequence that looks random and is the same in every run (Knuth's 64-bit congruence).
fn next(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Kills the run once it has written so many lines more; false if it ended before.
fn kill_after(folder: &Folder, more: u64) -> bool {
    let target = lines(&folder.journal()) + more;
    let mut child = folder
        .run()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the tuner starts");
    while lines(&folder.journal()) < target {
        if child.try_wait().expect("a child").is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("it runs");
    child.wait().expect("it ended");
    true
}

/// Points of all samples of the journal.
fn points(journal: &[u8]) -> usize {
    let text = std::str::from_utf8(journal).expect("a journal is text");
    let values = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    values
        .map(|value| value["points"].as_array().map_or(0, Vec::len))
        .sum()
}

#[test]
fn killed_runs_lose_no_finished_sample_and_take_none_twice() {
    let folder = Folder(tempfile::tempdir().expect("a temporary folder"));
    let mut state = 42;
    let mut kept = Vec::new();
    for kill in 0..KILLS {
        let killed = kill_after(&folder, next(&mut state) % LONGEST_LIFE);
        let now = folder.journal();
        assert!(
            now.starts_with(&kept),
            "kill {kill}: what was written stays"
        );
        kept = now;
        if !killed {
            break;
        }
    }
    let output = folder.run().output().expect("the tuner starts");
    assert!(output.status.success(), "{}", said(&output));
    let journal = folder.journal();
    assert!(journal.starts_with(&kept) && !kept.is_empty());
    assert!(
        said(&output).contains("the run was resumed"),
        "{}",
        said(&output)
    );
    assert!(
        !said(&output).contains("did not ask for"),
        "{}",
        said(&output)
    );
    // The last run has every sample of the journal in its table, each once.
    let mut table = csv::Reader::from_path(folder.path("r/samples.csv")).expect("a table");
    assert_eq!(table.records().count(), points(&journal));
    let profile = Profile::load(&folder.path("p.toml")).expect("a valid profile");
    the_end_is_reached_without_measuring(&folder, &journal);
    the_replay_agrees(&folder, &profile);
    other_arguments_are_refused(&folder);
    another_model_is_refused(&folder);
}

fn the_end_is_reached_without_measuring(folder: &Folder, journal: &[u8]) {
    let output = folder.run().output().expect("the tuner starts");
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(folder.journal(), journal, "nothing was left to measure");
}

fn the_replay_agrees(folder: &Folder, profile: &Profile) {
    let replay = [
        "--replay",
        "r/journal.jsonl",
        "-o",
        "again.toml",
        "--report",
        "again",
    ];
    let output = folder.tune(&replay).output().expect("the tuner starts");
    assert!(output.status.success(), "{}", said(&output));
    let again = Profile::load(&folder.path("again.toml")).expect("a valid profile");
    assert_eq!(again.plan, profile.plan);
    assert_eq!(again.evidence, profile.evidence);
    assert!(
        said(&output).contains("nothing was measured"),
        "{}",
        said(&output)
    );
}

fn other_arguments_are_refused(folder: &Folder) {
    let before = std::fs::read(folder.path("r/journal.jsonl")).expect("there");
    let other = "--synthetic tiny --quick --threads 2 --report r --resume --no-wait";
    let words: Vec<&str> = other.split_whitespace().collect();
    let output = folder.tune(&words).output().expect("the tuner starts");
    assert!(!output.status.success());
    assert!(
        said(&output).contains("other arguments"),
        "{}",
        said(&output)
    );
    assert!(
        said(&output).contains("was recorded as"),
        "{}",
        said(&output)
    );
    assert_eq!(
        std::fs::read(Path::new(&folder.path("r/journal.jsonl"))).expect("there"),
        before
    );
}

fn another_model_is_refused(folder: &Folder) {
    let samples = || std::fs::read(folder.path("r/samples.csv")).expect("there");
    let (path, before) = (folder.path("r/journal.jsonl"), samples());
    let journal = std::fs::read_to_string(&path).expect("text");
    let other = journal.replacen("\"fingerprint\":\"", "\"fingerprint\":\"other-", 1);
    assert_ne!(journal, other);
    std::fs::write(&path, other).expect("writable");
    let output = folder.run().output().expect("the tuner starts");
    assert!(!output.status.success());
    assert!(said(&output).contains("another model"), "{}", said(&output));
    assert_eq!(samples(), before, "the samples stay as they were");
}
