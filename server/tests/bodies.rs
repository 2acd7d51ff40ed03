//! Large bodies: what they hold, and whom they keep waiting.
#![forbid(unsafe_code)]

mod common;

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, header};
use common::{Options, Server, Words, ask, body, chat_request, get};
use serde_json::json;
use sysinfer_server::prompt::{Conversation, PromptEncoder, PromptError};
use tokio::time::timeout;
use tokio_stream::StreamExt;

const MINUTE: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;

/// Takes until the test is over for a conversation of more than a few words.
struct Slow {
    begun: Sender<()>,
    end: Mutex<Receiver<()>>,
}

impl PromptEncoder for Slow {
    fn encode(&self, conversation: &Conversation, most: usize) -> Result<Vec<u32>, PromptError> {
        let tokens = Words.encode(conversation, most)?;
        if tokens.len() > 10 {
            self.begun.send(()).unwrap();
            let _ = self.end.lock().unwrap().recv();
        }
        Ok(tokens)
    }

    fn render(&self, conversation: &Conversation) -> Result<String, PromptError> {
        self.encode(conversation, usize::MAX).map(|_| String::new())
    }
}

#[tokio::test]
async fn a_small_request_does_not_wait_for_large_ones() {
    let (begun, has_begun) = channel();
    let (end, ends) = channel();
    let server = Server::start(Options {
        prompt: Arc::new(Slow {
            begun,
            end: Mutex::new(ends),
        }),
        ..Options::default()
    });
    let large = ask(&"word ".repeat(100_000), json!({})).to_string();
    let mut answers = Vec::new();
    for path in ["/v1/chat/completions", "/apply-template"] {
        for _ in 0..3 {
            let mut request = chat_request(&large);
            *request.uri_mut() = path.parse().unwrap();
            answers.push(tokio::spawn(tower::ServiceExt::oneshot(
                server.app(),
                request,
            )));
        }
    }
    let begun =
        tokio::task::spawn_blocking(move || has_begun.recv_timeout(MINUTE).map(|()| has_begun));
    let has_begun = begun.await.unwrap().unwrap();
    for _ in 0..3 {
        let small = timeout(MINUTE, server.chat(ask("hi", json!({}))));
        assert_eq!(small.await.unwrap().status(), StatusCode::OK);
        assert_eq!(server.send(get("/health")).await.status(), StatusCode::OK);
    }
    assert!(has_begun.try_recv().is_err(), "one large body at a time");
    drop(end);
    for answer in answers {
        let status = answer.await.unwrap().unwrap().status();
        assert!([400, 200].contains(&status.as_u16()), "{status}");
    }
}

fn post(body: Body) -> Request<Body> {
    Request::post("/v1/chat/completions")
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
        .unwrap()
}

/// A body that begins and does not go on.
fn unfinished(bytes: usize) -> Body {
    let begins = tokio_stream::once(Ok::<_, Infallible>(Bytes::from(vec![b' '; bytes])));
    Body::from_stream(begins.chain(tokio_stream::pending()))
}

#[tokio::test(start_paused = true)]
async fn large_bodies_share_a_fixed_amount_of_memory() {
    let server = Server::start(Options::default());
    let large = ask(&"x".repeat(MIB), json!({})).to_string();
    assert_eq!(
        server.send(post(Body::from(large.clone()))).await.status(),
        200
    );
    let mut uploads = Vec::new();
    for _ in 0..8 {
        // Of one that does not say how long it is, the most has to be expected.
        let upload = tower::ServiceExt::oneshot(server.app(), post(unfinished(100_000)));
        uploads.push(tokio::spawn(upload));
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    let before = tokio::time::Instant::now();
    let refused = server.send(post(Body::from(large.clone()))).await;
    assert_eq!(before.elapsed().as_secs(), 10, "others may end meanwhile");
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    assert!(
        body(refused).await["error"]["message"]
            .as_str()
            .unwrap()
            .contains("memory")
    );
    let small = server.chat(ask("hi", json!({}))).await;
    assert_eq!(small.status(), StatusCode::OK, "small ones need none of it");
    uploads.pop().unwrap().abort();
    let answered = server.send(post(Body::from(large))).await;
    assert_eq!(
        answered.status(),
        StatusCode::OK,
        "its memory is free again"
    );
    for upload in uploads {
        assert_eq!(
            upload.await.unwrap().unwrap().status(),
            StatusCode::REQUEST_TIMEOUT
        );
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_read_to_the_limit() {
    let server = Server::start(Options::default());
    let chunked = |text: String| {
        let chunks: Vec<_> = text
            .as_bytes()
            .chunks(10_000)
            .map(Bytes::copy_from_slice)
            .collect();
        Body::from_stream(tokio_stream::iter(
            chunks.into_iter().map(Ok::<_, Infallible>),
        ))
    };
    for (bytes, wanted) in [(10, 200), (200_000, 200), (7 * MIB, 200), (9 * MIB, 413)] {
        let text = ask(&"x".repeat(bytes), json!({})).to_string();
        let answer = server.send(post(chunked(text))).await;
        assert_eq!(answer.status(), wanted, "{bytes} bytes");
    }
}

/// What a request would be refused for anyway is said before it costs anything.
#[tokio::test]
async fn a_server_that_is_not_ready_reads_no_body() {
    let server = Server::start(Options {
        ready: false,
        ..Options::default()
    });
    for path in ["/v1/chat/completions", "/apply-template"] {
        let mut request = post(unfinished(10));
        *request.uri_mut() = path.parse().unwrap();
        let refused = timeout(MINUTE, server.send(request)).await.unwrap();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    let refused = server.send(post(Body::from(vec![b' '; 9 * MIB]))).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
}
