//! The access log: a line of JSON for each request, whatever becomes of it.
#![forbid(unsafe_code)]

mod common;

use std::path::PathBuf;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use common::{Options, Server, ask, get, text};
use serde_json::{Value, json};
use sysinfer_server::connections::{self, Limits};
use sysinfer_server::observe::AccessLog;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tracing_appender::non_blocking::WorkerGuard;

const MINUTE: Duration = Duration::from_secs(60);

struct Log {
    folder: TempDir,
    log: AccessLog,
    guard: WorkerGuard,
}

impl Log {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (log, guard) = AccessLog::open(&folder.path().join("access.log")).unwrap();
        Self { folder, log, guard }
    }

    fn options(&self) -> Options {
        Options {
            access_log: Some(self.log.clone()),
            ..Options::default()
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }

    /// All lines, once everything is written.
    fn lines(self) -> Vec<Value> {
        let path = self.path();
        drop(self.guard);
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

#[tokio::test]
async fn a_line_says_who_asked_what_and_what_became_of_it() {
    let log = Log::new();
    let server = Server::start(log.options());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits {
        connections: 10,
        head: MINUTE,
        write: MINUTE,
    };
    tokio::spawn(connections::serve(
        listener,
        server.service(limits),
        std::future::pending(),
    ));
    let body = ask("hi there", json!({})).to_string();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Request-Id: trace-7\r\nX-Forwarded-For: 203.0.113.9\r\nUser-Agent: test/1\r\nConnection: close";
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let client = socket.local_addr().unwrap().to_string();
    let lines = log.lines();
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    let wanted = [
        ("id", json!("trace-7")),
        ("client", json!(client)),
        ("forwarded_for", json!("203.0.113.9")),
        ("user_agent", json!("test/1")),
        ("method", json!("POST")),
        ("path", json!("/v1/chat/completions")),
        ("status", json!(200)),
        ("completion_tokens", json!(5)),
        ("cached_tokens", json!(0)),
        ("finish", json!("stop")),
    ];
    for (key, value) in wanted {
        assert_eq!(line[key], value, "{key} of {line}");
    }
    let time = line["time"].as_str().unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    let [queue, first, total] =
        ["queue_ms", "first_token_ms", "total_ms"].map(|key| line[key].as_f64().expect(key));
    assert!(0.0 <= queue && queue <= first && first <= total, "{line}");
}

#[tokio::test]
async fn refusals_and_answers_that_nobody_waited_for_leave_lines() {
    let log = Log::new();
    let server = Server::start(Options {
        gated: true,
        api_keys: vec!["right".into()],
        ..log.options()
    });
    server.send(get("/v1/models")).await;
    server.send(get("/health?probe=1")).await;
    let streamed = Request::post("/v1/chat/completions")
        .header("content-type", "application/json")
        .header("authorization", "Bearer right")
        .body(Body::from(ask("hi", json!({"stream": true})).to_string()));
    let leaves = server.send(streamed.unwrap()).await;
    drop(leaves);
    let lines = log.lines();
    let seen: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["path"].as_str().unwrap(),
                line["status"].as_u64().unwrap(),
            )
        })
        .collect();
    let wanted = [
        ("/v1/models", 401),
        ("/health", 200),
        ("/v1/chat/completions", 499),
    ];
    assert_eq!(seen, wanted);
    assert!(
        lines[0]["reason"].as_str().unwrap().contains("no API key"),
        "{}",
        lines[0]
    );
    assert!(lines[0].get("queue_ms").is_none(), "{}", lines[0]);
}

#[tokio::test]
async fn a_log_that_was_moved_away_is_opened_again() {
    let log = Log::new();
    let server = Server::start(log.options());
    let (path, old) = (log.path(), log.folder.path().join("access.log.1"));
    text(server.send(get("/v1/models")).await).await;
    until_lines(&path, 1).await;
    std::fs::rename(&path, &old).unwrap();
    log.log.reopen();
    text(server.send(get("/props")).await).await;
    until_lines(&path, 1).await;
    assert!(
        std::fs::read_to_string(&old)
            .unwrap()
            .contains("/v1/models")
    );
    assert!(std::fs::read_to_string(&path).unwrap().contains("/props"));
}

async fn until_lines(path: &std::path::Path, count: usize) {
    for _ in 0..6000 {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.lines().count() >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} has less than {count} lines", path.display());
}
