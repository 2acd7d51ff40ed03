//! Full queues, clients that leave, engines that die, servers that stop.
#![forbid(unsafe_code)]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{StatusCode, header};
use common::{Options, Server, ask, body, events, text};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sysinfer_server::connections::Limits;
use sysinfer_server::serve::{Ended, Setup, serve_until};
use sysinfer_server::state::Status;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tracing::subscriber::DefaultGuard;

const MINUTE: Duration = Duration::from_secs(60);

const LIMITS: Limits = Limits {
    connections: 100,
    head: MINUTE,
    write: MINUTE,
};

fn gated(queue_limit: usize) -> Server {
    Server::start(Options {
        gated: true,
        queue_limit,
        ..Options::default()
    })
}

fn streamed() -> Value {
    ask("hi", json!({"stream": true}))
}

#[tokio::test]
async fn headers_and_role_come_before_the_first_step() {
    let server = gated(4);
    let response = server.chat(streamed()).await;
    let first = response
        .into_body()
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    assert!(String::from_utf8_lossy(&first).contains("\"role\":\"assistant\""));
    assert_eq!(server.seen.lock().unwrap().steps, 0);
}

#[tokio::test]
async fn a_full_queue_refuses_and_has_room_again_when_a_client_leaves() {
    let server = gated(1);
    let running = server.chat(streamed()).await;
    server.until(|seen| seen.admitted == 1).await;
    let waiting = server.chat(streamed()).await;
    let refused = server.chat(streamed()).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    let error = body(refused).await;
    assert_eq!(error["error"]["type"], "rate_limit_error");
    drop(waiting);
    let third = server.chat(streamed()).await;
    assert_eq!(third.status(), StatusCode::OK);
    drop(server.permits);
    for complete in [running, third] {
        assert_eq!(events(&text(complete).await).last().unwrap(), "[DONE]");
    }
    assert_eq!(
        server.seen.lock().unwrap().admitted,
        2,
        "the one that left was never run"
    );
}

#[tokio::test]
async fn a_client_that_leaves_frees_the_engine_at_the_next_step() {
    let server = gated(4);
    let leaves = server.chat(streamed()).await;
    server.allow(2);
    server.until(|seen| seen.steps == 2).await;
    drop(leaves);
    // The step that is under way ends; no other is taken for this client.
    server.allow(1);
    server.until(|seen| seen.released == 1).await;
    assert_eq!(server.seen.lock().unwrap().steps, 3);
    let next = server.chat(streamed()).await;
    server.allow(5);
    assert_eq!(events(&text(next).await).last().unwrap(), "[DONE]");
    assert_eq!(server.seen.lock().unwrap().steps, 8);
}

/// A server on a free port, with the ends that stop it.
struct Running {
    address: std::net::SocketAddr,
    signals: watch::Sender<u32>,
    engine: oneshot::Sender<Result<(), String>>,
    served: tokio::task::JoinHandle<Ended>,
}

async fn listen(server: &Server, drain_timeout: Duration) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (signals, received) = watch::channel(0);
    let (engine, engine_end) = oneshot::channel();
    let state = Arc::clone(&server.state);
    let setup = Setup {
        state,
        listener,
        limits: LIMITS,
        tls: None,
        drain_timeout,
    };
    let served = tokio::spawn(serve_until(setup, engine_end, received));
    Running {
        address,
        signals,
        engine,
        served,
    }
}

async fn post(address: std::net::SocketAddr, body: &Value) -> TcpStream {
    send(address, &request_of(body, "Connection: close\r\n")).await
}

/// A request of a client that would keep its connection.
fn chat_request() -> String {
    request_of(&ask("hi", json!({})), "")
}

fn request_of(body: &Value, header: &str) -> String {
    let body = body.to_string();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json";
    format!(
        "{head}\r\n{header}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn send(address: std::net::SocketAddr, request: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

async fn rest(mut socket: TcpStream) -> String {
    let mut all = String::new();
    let read = tokio::time::timeout(MINUTE, socket.read_to_string(&mut all));
    read.await.expect("an end in time").unwrap();
    all
}

#[tokio::test]
async fn a_closed_socket_cancels_streams_and_whole_answers() {
    let pieces = vec!["x"; 4000];
    let server = Server::start(Options {
        gated: true,
        pieces,
        ..Options::default()
    });
    let running = listen(&server, MINUTE).await;
    for (count, request) in [(1, streamed()), (2, ask("hi", json!({})))] {
        let socket = post(running.address, &request).await;
        server.until(|seen| seen.admitted == count).await;
        drop(socket);
        // One step at a time, until the server has noticed.
        while server.seen.lock().unwrap().released < count {
            server.allow(1);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let steps = server.seen.lock().unwrap().steps;
    assert!(steps < 2000, "{steps} steps for nobody");
}

#[tokio::test]
async fn stopping_finishes_what_runs_and_waits_and_refuses_the_rest() {
    let server = gated(4);
    let running = listen(&server, MINUTE).await;
    let first = post(running.address, &streamed()).await;
    server.until(|seen| seen.admitted == 1).await;
    let second = post(running.address, &streamed()).await;
    while server.state.queue.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.signals.send(1).unwrap();
    while server.state.status() != Status::Draining {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // New connections are taken until the last answer is complete, and told to go elsewhere.
    for (request, wanted) in [
        (chat_request(), "HTTP/1.1 503"),
        (
            "GET /health HTTP/1.1\r\nHost: x\r\n\r\n".into(),
            "HTTP/1.1 503",
        ),
        (
            "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n".into(),
            "HTTP/1.1 503",
        ),
        (
            "GET /live HTTP/1.1\r\nHost: x\r\n\r\n".into(),
            "HTTP/1.1 200",
        ),
    ] {
        let answer = rest(send(running.address, &request).await).await;
        assert!(answer.starts_with(wanted), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        let has_time = answer.contains("retry-after: 5");
        assert_eq!(has_time, wanted.ends_with("503"), "{answer}");
    }
    drop(server.permits);
    for socket in [first, second] {
        assert!(rest(socket).await.contains("[DONE]"));
    }
    assert_eq!(running.served.await.unwrap(), Ended::Drained);
    server.worker.join().unwrap();
    drop(running.engine);
}

/// What is logged on this thread from now on.
fn logged() -> (Arc<Mutex<Vec<u8>>>, DefaultGuard) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&log);
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || Kept(Arc::clone(&kept)));
    (log, tracing::subscriber::set_default(subscriber.finish()))
}

struct Kept(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn stopping_gives_up_at_its_limit() {
    let (log, _logged) = logged();
    let server = gated(4);
    let running = listen(&server, Duration::ZERO).await;
    let streams = post(running.address, &streamed()).await;
    server.until(|seen| seen.admitted == 1).await;
    server.allow(1);
    server.until(|seen| seen.steps == 1).await;
    running.signals.send(1).unwrap();
    assert_eq!(running.served.await.unwrap(), Ended::CutOff);
    let all = rest(streams).await;
    let (said, error) = (
        all.find("Hel"),
        all.find("stopped before the answer was complete"),
    );
    assert!(
        said.is_some() && said < error && !all.contains("[DONE]"),
        "{all}"
    );
    assert_eq!(server.state.status(), Status::CutOff);
    let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    let is_said = log.contains("cut off: the server is stopping") && log.contains("status=503");
    assert!(is_said && !log.contains("the client left"), "{log}");
}

#[tokio::test]
async fn a_second_signal_cuts_the_drain_short() {
    let server = gated(4);
    let running = listen(&server, MINUTE).await;
    let runs = post(running.address, &ask("hi", json!({}))).await;
    server.until(|seen| seen.admitted == 1).await;
    let waits = post(running.address, &ask("hi", json!({}))).await;
    let streams = post(running.address, &streamed()).await;
    while server.state.queue.len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for count in [1, 2] {
        running.signals.send(count).unwrap();
    }
    assert_eq!(running.served.await.unwrap(), Ended::CutOff);
    for whole in [runs, waits] {
        let answer = rest(whole).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        let has_error = answer.contains("\"error\"") && answer.contains("retry-after");
        assert!(has_error, "{answer}");
    }
    assert!(rest(streams).await.contains("data: {\"error\""));
}

#[tokio::test]
async fn an_engine_that_dies_while_draining_is_not_a_success() {
    let server = gated(4);
    let running = listen(&server, MINUTE).await;
    let dies = post(running.address, &ask("panic", json!({"stream": true}))).await;
    server.until(|seen| seen.admitted == 1).await;
    running.signals.send(1).unwrap();
    while server.state.status() != Status::Draining {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.engine.send(Err("it panicked".into())).unwrap();
    server.allow(2);
    assert!(rest(dies).await.contains("\"error\""));
    assert_eq!(
        running.served.await.unwrap(),
        Ended::EngineLost("it panicked".into())
    );
}

#[tokio::test]
async fn a_full_queue_refuses_before_it_reads_the_body() {
    let server = gated(1);
    let _running = server.chat(streamed()).await;
    server.until(|seen| seen.admitted == 1).await;
    let _waiting = server.chat(streamed()).await;
    let refused = server
        .send(common::chat_request("{ this is not JSON"))
        .await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_dead_engine_is_an_error_for_all_and_the_end_of_the_server() {
    let server = gated(4);
    let running = listen(&server, MINUTE).await;
    let dies = post(running.address, &ask("panic", json!({"stream": true}))).await;
    server.until(|seen| seen.admitted == 1).await;
    let waits = post(running.address, &ask("hi", json!({}))).await;
    while server.state.queue.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.allow(2);
    assert!(server.worker.join().is_err());
    running
        .engine
        .send(Err("the engine panicked".into()))
        .unwrap();
    let dies = rest(dies).await;
    let (said, error) = (dies.find("Hel"), dies.find("\"error\""));
    assert!(said.is_some() && said < error, "{dies}");
    let waits = rest(waits).await;
    assert!(waits.starts_with("HTTP/1.1 500"), "{waits}");
    assert_eq!(
        running.served.await.unwrap(),
        Ended::EngineLost("the engine panicked".into())
    );
    assert_eq!(server.state.status(), Status::Failed);
}
