//! Sockets: clients that hang up, that do not read, that only sit there.
#![forbid(unsafe_code)]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{Options, Server, ask};
use serde_json::{Value, json};
use sysinfer_server::connections::{self, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const MINUTE: Duration = Duration::from_secs(60);

const LIMITS: Limits = Limits {
    connections: 100,
    head: MINUTE,
    write: MINUTE,
};

async fn listen(server: &Server, limits: Limits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let never = std::future::pending();
    tokio::spawn(connections::serve(listener, server.service(limits), never));
    address
}

fn gated(pieces: Vec<&'static str>) -> Server {
    Server::start(Options {
        gated: true,
        pieces,
        ..Options::default()
    })
}

fn request(head: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{head} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn chat(body: &Value) -> String {
    request("POST /v1/chat/completions", &body.to_string())
}

async fn sent(address: SocketAddr, text: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    socket
}

/// What comes until `end` is in it, or until the server closes.
async fn read_until(socket: &mut TcpStream, end: &str) -> String {
    let mut all = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&all).contains(end) && socket.read_buf(&mut all).await? > 0 {
        }
        Ok::<(), std::io::Error>(())
    };
    let read = timeout(MINUTE, read).await;
    read.expect("an answer in time").expect("an answer");
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn a_client_that_hangs_up_is_noticed_whatever_lies_behind_its_request() {
    let server = gated(vec!["x"; 4000]);
    let address = listen(&server, LIMITS).await;
    let second = request("GET /health", "");
    let whole = chat(&ask("hi", json!({})));
    let streamed = chat(&ask("hi", json!({"stream": true})));
    let mut count = 0;
    for behind in ["", "\r\n", "x", &second, &whole, &"x".repeat(40_000)] {
        for first in [&whole, &streamed] {
            count += 1;
            let before = server.seen.lock().unwrap().steps;
            let socket = sent(address, &format!("{first}{behind}")).await;
            server.until(|seen| seen.admitted == count).await;
            drop(socket);
            // One step at a time, until the server has noticed.
            while server.seen.lock().unwrap().released < count {
                server.allow(1);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let steps = server.seen.lock().unwrap().steps - before;
            assert!(
                steps < 2000,
                "{steps} steps for nobody before {behind:.20?}"
            );
        }
    }
}

/// The rest of a request that is answered is not what is behind it.
#[tokio::test]
async fn requests_that_come_together_are_answered_in_order() {
    let server = Server::start(Options::default());
    let address = listen(&server, LIMITS).await;
    let all = [
        chat(&ask("hi", json!({}))),
        request("GET /v1/models", ""),
        chat(&ask("hi", json!({"stream": true}))),
        request("GET /nowhere", ""),
    ];
    let mut socket = sent(address, &all.concat()).await;
    let answers = read_until(&mut socket, "there is no GET /nowhere").await;
    let places = ["Hello world!", "\"owned_by\"", "[DONE]", "/nowhere"];
    let places: Vec<usize> = places
        .iter()
        .map(|text| answers.find(text).unwrap())
        .collect();
    assert!(places.is_sorted(), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 3);
}

#[tokio::test]
async fn connections_that_wait_for_their_clients_make_room_for_others() {
    let server = gated(vec!["x"; 3]);
    let limits = Limits {
        connections: 6,
        ..LIMITS
    };
    let address = listen(&server, limits).await;
    let mut works = sent(address, &chat(&ask("hi", json!({"stream": true})))).await;
    server.until(|seen| seen.admitted == 1).await;
    let ask_for_health = request("GET /health", "");
    let half_a_body = chat(&ask("hi", json!({})));
    let half_a_body = &half_a_body[..half_a_body.len() - 5];
    let mut crowd = Vec::new();
    for text in [
        "",
        "GET /health HTT",
        "GET /health HTTP/1.1\r\nHost: x\r\n",
        half_a_body,
    ] {
        for _ in 0..limits.connections {
            crowd.push(sent(address, text).await);
        }
        let mut healthy = sent(address, &ask_for_health).await;
        assert!(
            read_until(&mut healthy, "ok")
                .await
                .starts_with("HTTP/1.1 200")
        );
        // It stays open, and is one that may be closed like the others.
        crowd.push(healthy);
    }
    drop(server.permits);
    let answer = read_until(&mut works, "[DONE]").await;
    assert!(answer.contains("[DONE]"), "it had to make room: {answer}");
}

#[tokio::test]
async fn a_connection_whose_client_waits_for_us_never_makes_room() {
    let server = gated(vec!["x"; 3]);
    let limits = Limits {
        connections: 2,
        ..LIMITS
    };
    let address = listen(&server, limits).await;
    let streamed = chat(&ask("hi", json!({"stream": true})));
    let mut first = sent(address, &streamed).await;
    server.until(|seen| seen.admitted == 1).await;
    let mut second = sent(address, &chat(&ask("hi", json!({})))).await;
    while server.state.queue.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut third = sent(address, &request("GET /health", "")).await;
    let early = timeout(Duration::from_millis(200), third.read_u8()).await;
    assert!(early.is_err(), "there was no room");
    server.allow(3);
    assert!(read_until(&mut first, "[DONE]").await.contains("[DONE]"));
    // The first has its answer and stays open: it makes room.
    let third = read_until(&mut third, "ok").await;
    assert!(third.starts_with("HTTP/1.1 200"), "{third}");
    server.allow(3);
    assert!(read_until(&mut second, "xxx").await.contains("xxx"));
}

#[tokio::test]
async fn a_client_that_never_reads_is_given_up() {
    let piece: &'static str = "x".repeat(256 << 10).leak();
    let server = gated(vec![piece; 1000]);
    let limits = Limits {
        write: Duration::from_millis(300),
        ..LIMITS
    };
    let address = listen(&server, limits).await;
    let _socket = sent(address, &chat(&ask("hi", json!({"stream": true})))).await;
    server.until(|seen| seen.admitted == 1).await;
    // What the system keeps for the client, some megabytes, is written first.
    while server.seen.lock().unwrap().released < 1 {
        server.allow(1);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let steps = server.seen.lock().unwrap().steps;
    assert!(steps < 900, "{steps} steps for nobody");
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all() {
    let piece: &'static str = "x".repeat(256 << 10).leak();
    let server = Server::start(Options {
        pieces: vec![piece; 60],
        ..Options::default()
    });
    let limits = Limits {
        write: Duration::from_secs(2),
        ..LIMITS
    };
    let address = listen(&server, limits).await;
    let mut socket = sent(address, &chat(&ask("hi", json!({"stream": true})))).await;
    let (mut bytes, mut buffer) = (0, vec![0; 1 << 20]);
    let mut end = Vec::new();
    while !end.ends_with(b"[DONE]\n\n\r\n0\r\n\r\n") && !end.ends_with(b"[DONE]\n\n\r\n") {
        tokio::time::sleep(Duration::from_millis(40)).await;
        let count = socket.read(&mut buffer).await.unwrap();
        assert!(count > 0, "closed after {bytes} bytes");
        bytes += count;
        end = buffer[count.saturating_sub(40)..count].to_vec();
    }
    assert!(bytes > 60 * piece.len());
}

#[tokio::test]
async fn a_key_is_checked_before_a_body_is_read() {
    let server = Server::start(Options {
        api_keys: vec!["right".into()],
        ..Options::default()
    });
    let address = listen(&server, LIMITS).await;
    for path in ["/v1/chat/completions", "/apply-template", "/nowhere"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 8000000\r\nAuthorization: Bearer wrong\r\n\r\n"
        );
        let mut socket = sent(address, &head).await;
        let answer = read_until(&mut socket, "invalid_api_key").await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
}

/// A client that keeps its connection must not send the next request into its end.
#[tokio::test]
async fn a_refusal_of_what_was_not_read_says_that_the_connection_ends() {
    let server = Server::start(Options::default());
    let address = listen(&server, LIMITS).await;
    let body = ask("hi", json!({})).to_string();
    for (path, status, ends) in [
        ("/nowhere", "404", true),
        ("/v1/models", "405", true),
        ("/v1/chat/completions", "200", false),
        ("/v1/completions", "400", false),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        // As clients send it that write head and body apart.
        let mut socket = sent(address, &head).await;
        socket.write_all(body.as_bytes()).await.unwrap();
        let answer = read_until(&mut socket, "}").await;
        assert!(answer.contains(status), "{answer}");
        assert_eq!(answer.contains("connection: close"), ends, "{answer}");
        if ends {
            read_until(&mut socket, "there is no more").await;
        } else {
            let next = request("GET /health", "");
            socket.write_all(next.as_bytes()).await.unwrap();
            read_until(&mut socket, "\"status\"").await;
        }
    }
}

/// A client that sends all of its request before it reads gets to read the answer to its beginning.
#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = Server::start(Options::default());
    let address = listen(&server, LIMITS).await;
    let large = chat(&ask(&"x".repeat(9 << 20), json!({})));
    for _ in 0..5 {
        let mut socket = sent(address, &large).await;
        let answer = read_until(&mut socket, "request_too_large").await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    }
}
