//! The binaries, as a user runs them: started, watched, spoken to over HTTP, and ended for sure.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use serde_json::Value;
use sysinfer_machine::Runner;

/// Longest that a server may take to load a small model on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A binary of this workspace, beside the running test.
///
/// # Panics
/// If it was not built.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("tests are in target/PROFILE/deps");
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is missing: run cargo build --workspace --bins first",
        path.display()
    );
    path
}

/// A command of this workspace without the variables that would change its plan.
pub fn command(name: &str) -> Command {
    let mut command = Runner::of_process().command(binary(name));
    let foreign = [
        "OMP_NUM_THREADS",
        "GOMP_CPU_AFFINITY",
        "OMP_PROC_BIND",
        "HWLOC_SYNTHETIC",
        "SYSINFER_CACHE_TYPE",
        "SYSINFER_LOOKUP",
        "SYSINFER_WEIGHTS",
    ];
    foreign.iter().for_each(|variable| {
        command.env_remove(variable);
    });
    command
}

/// Standard error and output of a finished command, for messages.
pub fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]]
        .concat()
        .iter()
        .map(|byte| *byte as char)
        .collect()
}

/// A running server; ended when dropped.
pub struct Server {
    child: Child,
    port: u16,
    /// What it logged until it was ready.
    pub log: String,
    /// Lines that it logs after that, for who watches them.
    watched: Option<Mutex<Receiver<String>>>,
}

impl Server {
    /// Starts `command` (a server's, with its model) on a free port and waits until it is healthy.
    /// Nobody reads its log after that: the pipe is closed, which must not matter to it.
    ///
    /// # Panics
    /// If it ends or takes too long; with its log.
    pub fn start(command: &mut Command) -> Server {
        Self::start_watched(command).unwatched()
    }

    /// As [`Server::start`], but its log is read on, see [`Server::later`].
    ///
    /// # Panics
    /// As [`Server::start`].
    pub fn start_watched(command: &mut Command) -> Server {
        let mut child = command
            .args(["--host", "127.0.0.1", "--port", "0"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stderr.take().expect("it was piped")).lines();
        let (mut log, mut port) = (String::new(), None);
        while port.is_none() {
            let Some(Ok(line)) = lines.next() else {
                let status = child.wait();
                panic!("the server ended ({status:?}) before it listened:\n{log}");
            };
            port = port_in(&line);
            log += &line;
            log.push('\n');
        }
        let (send, logged) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let mut server = Server {
            child,
            port: port.expect("found above"),
            log,
            watched: None,
        };
        let start = Instant::now();
        while server
            .try_get("/health")
            .is_none_or(|(status, _)| status != 200)
        {
            let ended = server.child.try_wait().expect("it is our child").is_some();
            server.log.extend(logged.try_iter().map(|line| line + "\n"));
            assert!(
                !ended && start.elapsed() < PATIENCE,
                "never healthy:\n{}",
                server.log
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        // Lines about what runs are written before the model counts as ready.
        server.log.extend(logged.try_iter().map(|line| line + "\n"));
        server.watched = Some(Mutex::new(logged));
        server
    }

    fn unwatched(mut self) -> Server {
        self.watched = None;
        self
    }

    /// What it logged since the last look, up to the line with `text`.
    ///
    /// # Panics
    /// If there is no such line for too long, or it was not started to be watched.
    pub fn later(&self, text: &str) -> String {
        let lines = self.watched.as_ref().expect("a watched server");
        let lines = lines.lock().expect("nobody fails with it");
        let mut log = String::new();
        while !log.contains(text) {
            let line = lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {text:?} in the log:\n{log}"));
            log.push_str(&line);
            log.push('\n');
        }
        log
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, for example `TERM`.
    ///
    /// # Panics
    /// If there is no such signal, or no such process any more.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-s", name, &id]).status();
        assert!(
            killed.expect("there is kill").success(),
            "kill -s {name} {id}"
        );
    }

    /// How it ends.
    ///
    /// # Panics
    /// If it does not, for too long.
    pub fn ended(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "it goes on and on");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Status and body of a GET.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.try_get(path).expect("the server answers")
    }

    fn try_get(&self, path: &str) -> Option<(u16, String)> {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        ))
    }

    /// Status and body of a POST of JSON.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn post(&self, path: &str, body: &Value) -> (u16, String) {
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send(&request).expect("the server answers")
    }

    fn send(&self, request: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((status, body.to_owned()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port in a log line that has an address of ours.
fn port_in(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("127.0.0.1:")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
