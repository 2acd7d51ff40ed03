//! The server as a service: what its manager is told, what signals do, and where it listens.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use sysinfer_conformance::fixtures::tiny_model;
use sysinfer_conformance::product::{Server, command};
use sysinfer_machine::{CpuList, Runner};
use tempfile::TempDir;

/// Longest wait for a word of a server that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// The socket of a service manager.
struct Manager {
    folder: TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
        (socket.set_read_timeout(Some(PATIENCE))).expect("a time");
        Self { folder, socket }
    }

    /// What it is told next, without the watchdog's lines.
    fn told(&self) -> String {
        loop {
            let mut bytes = [0; 4096];
            let count = self.socket.recv(&mut bytes).expect("a word in time");
            let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            if text != "WATCHDOG=1\n" {
                return text;
            }
        }
    }

    /// Waits for a line of the watchdog.
    fn hears_watchdog(&self) {
        let mut bytes = [0; 4096];
        loop {
            let count = self.socket.recv(&mut bytes).expect("a sign of life");
            if bytes[..count] == *b"WATCHDOG=1\n" {
                return;
            }
        }
    }
}

#[test]
fn a_service_manager_is_told_of_all_that_happens() {
    let manager = Manager::new();
    let keys = manager.folder.path().join("keys");
    std::fs::write(&keys, "sk-one\n").expect("a small file");
    let mut server = Server::start_watched(
        command("sysinfer-server")
            .arg(tiny_model())
            .arg("--api-key-file")
            .arg(&keys)
            .env("NOTIFY_SOCKET", manager.folder.path().join("notify"))
            .env("WATCHDOG_USEC", "1000000"),
    );
    assert_eq!(manager.told(), "STATUS=loading the model\n");
    assert_eq!(manager.told(), "READY=1\nSTATUS=serving\n");
    for _ in 0..3 {
        manager.hears_watchdog();
    }
    std::fs::write(&keys, "sk-one\nsk-two\n").expect("a small file");
    server.signal("HUP");
    let reloading = manager.told();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(manager.told(), "READY=1\nSTATUS=serving\n");
    server.later("2 API keys are accepted now");
    server.signal("TERM");
    let stopping = manager.told();
    assert!(stopping.starts_with("STOPPING=1\n"), "{stopping}");
    assert!(server.ended().success());
}

/// Whether this process, and so all that it starts, ignores SIGHUP, as below nohup.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("it runs");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = u64::from_str_radix(ignored.expect("the kernel tells").trim(), 16);
    // Signal 1 is the lowest bit.
    mask.expect("a mask") & 1 != 0
}

#[test]
fn without_files_to_read_again_a_hangup_ends_the_server() {
    if hangups_are_ignored() {
        eprintln!("SKIPPED: hang-ups are ignored here, as below nohup");
        return;
    }
    let mut server = Server::start(command("sysinfer-server").arg(tiny_model()));
    server.signal("HUP");
    assert!(!server.ended().success(), "its terminal is gone");
}

/// What a program logs until it listens, without a word of where.
fn listens(program: &str, more: &[&str]) -> String {
    let mut child = command(program)
        .arg(tiny_model())
        .args(["--port", "0"])
        .args(more)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(child.stderr.take().expect("it was piped")).lines();
    let mut log = String::new();
    for line in lines.map_while(Result::ok) {
        log += &line;
        log.push('\n');
        if log.contains("ready: model") {
            break;
        }
    }
    child.kill().expect("it runs");
    child.wait().expect("it has ended");
    log
}

#[test]
fn only_the_original_s_name_listens_on_all_addresses() {
    let own = listens("sysinfer-server", &[]);
    assert!(own.contains("listening on http://127.0.0.1:"), "{own}");
    assert!(!own.contains("demands no API key"), "{own}");
    let original = listens("server", &[]);
    assert!(
        original.contains("listening on http://0.0.0.0:"),
        "{original}"
    );
    assert!(original.contains("demands no API key"), "{original}");
    let guarded = listens("server", &["--api-key", "sk-one"]);
    assert!(!guarded.contains("demands no API key"), "{guarded}");
}

/// CPUs on which each thread of the process `id` may run, by the thread's name.
fn threads(id: &str) -> Vec<(String, CpuList)> {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).expect("it runs");
    let mut found = Vec::new();
    for task in tasks.map_while(Result::ok) {
        let read = |file| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let status = read("status");
        let allowed = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        // A thread may end while it is looked at.
        if let Some(allowed) = allowed {
            let cpus = allowed.trim().parse().expect("a list of CPUs");
            found.push((read("comm").trim().to_string(), cpus));
        }
    }
    found
}

/// The processes that `id` has started.
fn children(id: &str) -> Vec<String> {
    let path = format!("/proc/{id}/task");
    let tasks = std::fs::read_dir(path)
        .expect("it runs")
        .map_while(Result::ok);
    let lists = tasks.map(|task| std::fs::read_to_string(task.path().join("children")));
    let lists = lists.map(|list| list.expect("the kernel tells"));
    lists
        .flat_map(|list| list.split(' ').map(str::to_owned).collect::<Vec<_>>())
        .filter(|child| !child.is_empty())
        .collect()
}

#[test]
fn what_is_not_the_engine_keeps_off_its_cpus() {
    if std::env::var_os(Runner::VARIABLE).is_some() {
        eprintln!("SKIPPED: the threads of an emulator are not those of its program");
        return;
    }
    let cpus = sysinfer_machine::allowed_cpus();
    let [first, _, ..] = cpus[..] else {
        eprintln!("SKIPPED: this process may use one CPU only");
        return;
    };
    let folder = TempDir::new().expect("a folder");
    let server = Server::start(
        command("sysinfer-server")
            .arg(tiny_model())
            .args(["--threads", "1", "--cpus", &first.to_string()])
            .arg("--access-log")
            .arg(folder.path().join("access.log")),
    );
    // A prompt, so that tokenizer and template have worked.
    let ask = json!({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 2});
    let (status, answer) = server.post("/v1/chat/completions", &ask);
    assert_eq!(status, 200, "{answer}");
    let id = server.id().to_string();
    let (mut engine, mut others) = (0, 0);
    let all = children(&id).into_iter().chain([id.clone()]);
    for (name, cpus) in all.flat_map(|id| threads(&id)) {
        let may_run_there = cpus.as_slice().contains(&first);
        match name.as_str() {
            "sysinfer-engine" => {
                engine += 1;
                assert_eq!(cpus.as_slice(), [first], "{name}");
            }
            // It sleeps: its affinity tells other servers which CPUs are taken.
            "sysinfer-cpus" => {}
            _ => {
                others += 1;
                assert!(!may_run_there, "{name} may run on CPUs {cpus}");
            }
        }
    }
    // HTTP, its blocking threads, the access log, the reader and the process of templates.
    assert!(engine == 1 && others >= 5, "{engine} and {others}");
}
