//! Runs that end before they measure, by the binary: what an earlier run left stays as it was.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output};

/// Files of a finished run that another one would replace.
const LEFT: [(&str, &str); 3] = [
    ("samples.csv", "time,stage\n1,table\n"),
    ("previous-samples.csv", "time,stage\n0,table\n"),
    ("journal.jsonl", "{}\n"),
];

fn tune(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sysinfer-tune"));
    for variable in ["HWLOC_SYNTHETIC", "HWLOC_XMLFILE"] {
        command.env_remove(variable);
    }
    command.current_dir(folder).args(line.split_whitespace());
    command.output().expect("the tuner starts")
}

/// A folder whose report directory `r` is that of a finished run.
fn finished() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(folder.path().join("r")).expect("made");
    for (name, text) in LEFT {
        std::fs::write(folder.path().join("r").join(name), text).expect("written");
    }
    folder
}

fn assert_untouched(folder: &Path) {
    for (name, text) in LEFT {
        let now = std::fs::read_to_string(folder.join("r").join(name)).expect(name);
        assert_eq!(now, text, "{name}");
    }
}

#[test]
fn a_model_that_cannot_be_opened_costs_no_samples() {
    let folder = finished();
    std::fs::write(folder.path().join("text.gguf"), "not a model").expect("written");
    for model in ["typo.gguf", "typo.gguf", "text.gguf"] {
        let output = tune(folder.path(), &format!("{model} --report r"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(model), "{said}");
        assert_untouched(folder.path());
    }
}

#[test]
fn arguments_that_do_not_fit_cost_no_samples() {
    let folder = finished();
    let host = concat!(env!("CARGO_MANIFEST_DIR"), "/../hosts/smt-hurts.toml");
    std::fs::copy(host, folder.path().join("host.toml")).expect("copied");
    for way in ["", "--simulate host.toml"] {
        let line = format!("--synthetic tiny --report r --prompt 0 {way}");
        let output = tune(folder.path(), &line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains("prompt"),
            "{said}"
        );
        assert_untouched(folder.path());
    }
}

#[test]
fn a_folder_that_another_run_writes_to_is_refused() {
    let folder = finished();
    let host = concat!(env!("CARGO_MANIFEST_DIR"), "/../hosts/smt-hurts.toml");
    std::fs::copy(host, folder.path().join("host.toml")).expect("copied");
    let other = File::create(folder.path().join("r/.lock")).expect("writable");
    other.try_lock().expect("the other run has the folder");
    for way in ["", "--resume", "--simulate host.toml"] {
        let output = tune(folder.path(), &format!("--synthetic tiny --report r {way}"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{way}");
        assert!(said.contains("another run writes to r;"), "{way}: {said}");
        assert_untouched(folder.path());
    }
}
