//! Encrypted connections: what clients see of them, hostile ones too.
#![forbid(unsafe_code)]

mod common;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Options, Server, ask};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use sysinfer_server::connections::{self, Limits, Service};
use sysinfer_server::tls::Tls;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const MINUTE: Duration = Duration::from_secs(60);

const LIMITS: Limits = Limits {
    connections: 100,
    head: MINUTE,
    write: MINUTE,
};

/// A certificate for localhost in a folder, and what trusts it.
struct Certificate {
    folder: TempDir,
    root: CertificateDer<'static>,
}

impl Certificate {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let root = write(folder.path());
        Self { folder, root }
    }

    fn tls(&self) -> Tls {
        let folder = self.folder.path();
        Tls::new(folder.join("cert.pem"), folder.join("key.pem")).unwrap()
    }
}

/// Writes a new certificate and its key.
fn write(folder: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let pem = |label: &str, bytes: &[u8]| {
        let text = STANDARD.encode(bytes);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    };
    let key = pem("PRIVATE KEY", &signing_key.serialize_der());
    std::fs::write(folder.join("cert.pem"), pem("CERTIFICATE", cert.der())).unwrap();
    std::fs::write(folder.join("key.pem"), key).unwrap();
    cert.der().clone()
}

async fn listen(server: &Server, tls: &Arc<Tls>, limits: Limits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = Service {
        tls: Some(Arc::clone(tls)),
        ..server.service(limits)
    };
    tokio::spawn(connections::serve(
        listener,
        service,
        std::future::pending(),
    ));
    address
}

async fn connect(
    address: SocketAddr,
    root: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let socket = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
}

fn chat(more: serde_json::Value) -> String {
    let body = ask("hi", more).to_string();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What comes until `end` is in it, or until the server closes.
async fn read_until(socket: &mut (impl AsyncReadExt + Unpin), end: &str) -> String {
    let mut all = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&all).contains(end) {
            match socket.read_buf(&mut all).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    };
    timeout(MINUTE, read).await.expect("an answer in time");
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn answers_and_streams_are_encrypted_on_one_connection() {
    let certificate = Certificate::new();
    let server = Server::start(Options::default());
    let address = listen(&server, &Arc::new(certificate.tls()), LIMITS).await;
    let mut socket = connect(address, &certificate.root).await.unwrap();
    for (more, end) in [
        (json!({}), "\"cached_tokens\":0}}}"),
        (json!({"stream": true}), "[DONE]"),
    ] {
        socket.write_all(chat(more).as_bytes()).await.unwrap();
        let answer = read_until(&mut socket, end).await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains(end),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_is_noticed() {
    let certificate = Certificate::new();
    let server = Server::start(Options {
        gated: true,
        pieces: vec!["x"; 4000],
        ..Options::default()
    });
    let address = listen(&server, &Arc::new(certificate.tls()), LIMITS).await;
    let mut socket = connect(address, &certificate.root).await.unwrap();
    socket
        .write_all(chat(json!({"stream": true})).as_bytes())
        .await
        .unwrap();
    server.until(|seen| seen.admitted == 1).await;
    drop(socket);
    while server.seen.lock().unwrap().released < 1 {
        server.allow(1);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let steps = server.seen.lock().unwrap().steps;
    assert!(steps < 2000, "{steps} steps for nobody");
}

#[tokio::test]
async fn plain_http_is_told_to_encrypt() {
    let certificate = Certificate::new();
    let server = Server::start(Options::default());
    let address = listen(&server, &Arc::new(certificate.tls()), LIMITS).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket
        .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let answer = read_until(&mut socket, "https://").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

/// One connection may be open: each that says nothing, or nothing that can be understood, makes room.
#[tokio::test]
async fn handshakes_that_come_to_nothing_lock_nobody_out() {
    let certificate = Certificate::new();
    let server = Server::start(Options::default());
    let limits = Limits {
        connections: 1,
        ..LIMITS
    };
    let address = listen(&server, &Arc::new(certificate.tls()), limits).await;
    let mut open = Vec::new();
    // Nothing, the first byte of a handshake, and a handshake that is none.
    for sent in [&b""[..], b"\x16", b"\x16\x03\x01\xff\xff garbage"] {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(sent).await.unwrap();
        open.push(socket);
        let mut socket = connect(address, &certificate.root).await.unwrap();
        socket.write_all(chat(json!({})).as_bytes()).await.unwrap();
        let answer = read_until(&mut socket, "Hello world!").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_given_up() {
    let certificate = Certificate::new();
    let server = Server::start(Options::default());
    let limits = Limits {
        head: Duration::from_millis(50),
        ..LIMITS
    };
    let address = listen(&server, &Arc::new(certificate.tls()), limits).await;
    for sent in [&b""[..], b"\x16"] {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(sent).await.unwrap();
        assert_eq!(read_until(&mut socket, "nothing").await, "");
    }
}

#[tokio::test]
async fn a_new_certificate_is_used_after_a_reload_and_a_broken_one_is_not() {
    let certificate = Certificate::new();
    let folder = certificate.folder.path();
    let server = Server::start(Options::default());
    let tls = Arc::new(certificate.tls());
    let address = listen(&server, &tls, LIMITS).await;
    let renewed = write(folder);
    connect(address, &certificate.root)
        .await
        .expect("the old one is still used");
    tls.reload().unwrap();
    connect(address, &renewed)
        .await
        .expect("the new one is used");
    connect(address, &certificate.root)
        .await
        .expect_err("the old one is gone");
    std::fs::write(folder.join("cert.pem"), "nothing").unwrap();
    let error = tls.reload().expect_err("it is no certificate").to_string();
    assert!(error.contains("no certificate in it"), "{error}");
    connect(address, &renewed)
        .await
        .expect("the last good one stays");
}

#[tokio::test]
async fn what_is_wrong_with_files_is_named() {
    let (one, other) = (Certificate::new(), Certificate::new());
    let (cert, key) = (
        one.folder.path().join("cert.pem"),
        one.folder.path().join("key.pem"),
    );
    let cases = [
        (
            "/nowhere/cert.pem".into(),
            key.clone(),
            "--tls-cert /nowhere/cert.pem",
        ),
        (
            cert.clone(),
            "/nowhere/key.pem".into(),
            "--tls-key /nowhere/key.pem",
        ),
        (key.clone(), key, "no certificate in it"),
        (cert.clone(), cert.clone(), "--tls-key"),
        (
            cert,
            other.folder.path().join("key.pem"),
            "cannot be used together",
        ),
    ];
    for (cert, key, wanted) in cases {
        let error = Tls::new(cert, key).err().expect(wanted).to_string();
        assert!(error.contains(wanted), "{error}");
    }
}
