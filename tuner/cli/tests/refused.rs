//! Runs that end before they measure, by the binary: what an earlier run left stays as it was.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use sysinfer_machine::Runner;

/// Files of a finished run that another one would replace.
const LEFT: [(&str, &str); 3] = [
    ("samples.csv", "time,stage\n1,table\n"),
    ("previous-samples.csv", "time,stage\n0,table\n"),
    ("journal.jsonl", "{}\n"),
];

fn tune(folder: &Path, line: &str) -> Output {
    let mut command = Runner::of_process().command(env!("CARGO_BIN_EXE_sysinfer-tune"));
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
    let host = concat!(env!("CARGO_MANIFEST_DIR"), "/../../hosts/smt-hurts.toml");
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
    let host = concat!(env!("CARGO_MANIFEST_DIR"), "/../../hosts/smt-hurts.toml");
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

/// Runs `with` while every CPU of this host is busy.
fn on_a_busy_host(with: impl FnOnce()) {
    let over = AtomicBool::new(false);
    let cpus = std::thread::available_parallelism().map_or(1, |count| count.get());
    std::thread::scope(|scope| {
        for _ in 0..cpus {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        // Also where it fails: the scope waits for all its threads.
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(with));
        over.store(true, Ordering::Relaxed);
        if let Err(failure) = ended {
            std::panic::resume_unwind(failure);
        }
    });
}

#[test]
fn ctrl_c_while_waiting_for_a_quiet_host_costs_no_samples() {
    let folder = finished();
    on_a_busy_host(|| {
        let mut command = Runner::of_process().command(env!("CARGO_BIN_EXE_sysinfer-tune"));
        for variable in ["HWLOC_SYNTHETIC", "HWLOC_XMLFILE"] {
            command.env_remove(variable);
        }
        let line = "--synthetic tiny --quick --report r --wait 3600";
        command.current_dir(folder.path()).args(line.split(' '));
        let mut run = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(run.stderr.take().expect("piped")).lines();
        let waiting = lines.find(|line| {
            let said = line.as_ref().map_or("", String::as_str);
            said.contains("the host is busy: ") && said.contains("waiting up to 3600 s")
        });
        assert!(waiting.is_some(), "it did not wait");
        let id = run.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status();
        assert!(sent.expect("kill is there").success());
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        let ended = run.wait().expect("a child");
        assert_eq!(ended.code(), Some(130), "{rest:?}");
        let last = rest.last().map_or("", String::as_str);
        assert!(
            last.contains("profile and report in r stay as they were"),
            "{rest:?}"
        );
    });
    assert_untouched(folder.path());
}
