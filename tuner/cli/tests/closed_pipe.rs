//! Results piped into a program that stops reading.
#![forbid(unsafe_code)]

use std::fs::File;
use std::process::{Command, Stdio};

use sysinfer_machine::Runner;

/// The tuner with commands that need no file.
fn tuner(line: &str) -> Command {
    let mut command = Runner::of_process().command(env!("CARGO_BIN_EXE_sysinfer-tune"));
    command.args(line.split(' '));
    // Described hosts are refused.
    command.env_remove("HWLOC_SYNTHETIC");
    command.env_remove("HWLOC_XMLFILE");
    command
}

/// A pipe that nobody reads.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[test]
fn nobody_reading_the_results_is_a_quiet_end() {
    let output = tuner("check --json")
        .stdout(closed_pipe())
        .output()
        .expect("it starts");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(141), "as shells report SIGPIPE");
}

#[test]
fn results_that_cannot_be_written_are_a_failure_with_its_reason() {
    let Ok(full) = File::options().write(true).open("/dev/full") else {
        eprintln!("SKIPPED: this system has no /dev/full");
        return;
    };
    let output = tuner("check --json")
        .stdout(full)
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot write to standard output: "), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn nobody_reading_the_messages_changes_nothing() {
    let bench = "bench --synthetic tiny --lengths 32 --prefill none --repeat 1 --json";
    let output = tuner(bench)
        .stderr(closed_pipe())
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{:?}", output.status);
    assert!(output.stdout.starts_with(b"{"));
}
