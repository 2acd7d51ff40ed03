//! Connections: how many there may be, how long one may keep us waiting, and when its client has left.
//!
//! A connection waits for its client, or its client for us (`turn`). Where there are as many as there may
//! be (`limit`), one more is taken in place of the one that waits longest for its client (`waiting`): idle
//! and half-open ones lock nobody out. A client that hangs up is noticed at once, and one that does not read
//! after a time (`socket`); with the connection, whatever is computed for it ends, and nothing else. With TLS,
//! all of this holds for the encrypted bytes.

mod client;
mod limit;
mod socket;
mod turn;
mod waiting;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::error::ApiError;
use crate::tls::Tls;
pub use client::Client;
pub use limit::MAX_CONNECTIONS;
use socket::{Socket, hung_up, linger};
use turn::Turn;
use waiting::{Place, Waiting};

/// Most bytes of the head of a request, and of what is read ahead or not written yet.
const BUFFER_BYTES: usize = 64 << 10;

/// Most bytes of an answer that the system keeps for a client: megabytes otherwise, of memory that we pay for
/// too, and only when they are full is it seen that nobody reads.
const SYSTEM_BYTES: usize = 256 << 10;

/// After a failure to accept, such as too many open files.
const BREATHER: Duration = Duration::from_secs(1);

/// For answers that are refusals to leave, when the last real answer has.
const LAST_REFUSALS: Duration = Duration::from_secs(1);

/// First byte of every TLS connection: a record of the handshake (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// How many connections there may be, and how long they may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most connections at once, at least 1.
    pub connections: usize,
    /// Longest time for the head of a request, and for a connection to stay open without one.
    pub head: Duration,
    /// Longest time for a client to take none of what is written to it.
    pub write: Duration,
}

impl Limits {
    /// As many connections as the process can have descriptors for, of which it takes all that it is allowed,
    /// at most `connections`.
    pub fn of_process(connections: Option<usize>, head: Duration) -> Self {
        let possible = limit::raise();
        Self {
            connections: connections.map_or(possible, |wanted| wanted.min(possible)),
            head,
            write: Duration::from_secs(60),
        }
    }
}

/// What all connections are served with.
#[derive(Clone)]
pub struct Service {
    /// What answers.
    pub app: Router,
    /// Their number, and how long they may take.
    pub limits: Limits,
    /// `None`: nothing is encrypted.
    pub tls: Option<Arc<Tls>>,
}

/// Serves whoever connects until `stopped` completes. From then on each connection gets one answer, which the
/// app takes care is a refusal for those that come new; returns when those that were open have their answers.
pub async fn serve(listener: TcpListener, service: Service, stopped: impl Future<Output = ()>) {
    let waiting = Arc::new(Waiting::new(service.limits.connections));
    let graceful = GracefulShutdown::new();
    tokio::select! {
        () = accept_all(&listener, &service, &waiting, &graceful, true) => {}
        () = stopped => {}
    }
    let refused = GracefulShutdown::new();
    tokio::select! {
        () = accept_all(&listener, &service, &waiting, &refused, false) => {}
        () = graceful.shutdown() => {}
    }
    drop(listener);
    // They end by themselves, or with the process.
    let _ = timeout(LAST_REFUSALS, refused.shutdown()).await;
}

/// Serves whoever connects, for one request or as many as they have.
async fn accept_all(
    listener: &TcpListener,
    service: &Service,
    waiting: &Arc<Waiting>,
    graceful: &GracefulShutdown,
    keep_alive: bool,
) {
    loop {
        let Some((stream, client)) = accept(listener).await else {
            continue;
        };
        let connection = Connection {
            stream: Arc::new(stream),
            client: Client(client),
            place: waiting.place().await,
            keep_alive,
        };
        tokio::spawn(connection.serve(service.clone(), graceful.watcher()));
    }
}

/// The next connection; nothing after a failure.
async fn accept(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok((stream, client)) => {
            // A token must not wait for the client's receipt of the one before it.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection may be slow: it cannot send at once");
            }
            if let Err(error) = set_socket_send_buffer_size(&stream, SYSTEM_BYTES) {
                tracing::debug!(%error, "a connection may take memory: the system keeps much for it");
            }
            Some((stream, client))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(BREATHER).await;
            None
        }
    }
}

/// An open connection.
struct Connection {
    stream: Arc<TcpStream>,
    client: Client,
    place: Place,
    /// Whether it may have more than one request.
    keep_alive: bool,
}

impl Connection {
    /// Answers its requests, until its client has hung up or it has to make room.
    async fn serve(mut self, service: Service, watcher: Watcher) {
        match self.answer(service, watcher).await {
            Ok(()) => {
                let leave = self.place.leave();
                tokio::select! {
                    () = linger(&self.stream) => {}
                    () = leave.notified() => {}
                }
            }
            Err(reason) => tracing::debug!(reason, "a connection ended early"),
        }
    }

    /// Answers its requests.
    ///
    /// # Errors
    /// Why it has not been told the end of the last answer: nobody is there to read.
    async fn answer(&mut self, service: Service, watcher: Watcher) -> Result<(), String> {
        let Service { app, limits, tls } = service;
        let turn = Arc::new(Turn::default());
        let socket = Socket::new(Arc::clone(&self.stream), Arc::clone(&turn), limits.write);
        let Some(tls) = tls else {
            return self.speak(socket, app, limits, turn, watcher).await;
        };
        let stream = Arc::clone(&self.stream);
        let first = in_time(limits.head, first_byte(&stream));
        if self.unless_it_ends(std::pin::pin!(first), &turn).await?? != Some(HANDSHAKE) {
            let app = Router::new().fallback(not_encrypted);
            self.keep_alive = false;
            return self.speak(socket, app, limits, turn, watcher).await;
        }
        let handshake = in_time(limits.head, tls.acceptor().accept(socket));
        let stream = self
            .unless_it_ends(std::pin::pin!(handshake), &turn)
            .await??;
        self.speak(stream, app, limits, turn, watcher).await
    }

    /// Speaks HTTP over a stream of bytes.
    async fn speak<S>(
        &mut self,
        stream: S,
        app: Router,
        limits: Limits,
        turn: Arc<Turn>,
        watcher: Watcher,
    ) -> Result<(), String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_buf_size(BUFFER_BYTES)
            .keep_alive(self.keep_alive);
        let service = turn::service(app, self.client, Arc::clone(&turn));
        let http = http.serve_connection(TokioIo::new(stream), service);
        let http = std::pin::pin!(watcher.watch(http));
        let spoken = self.unless_it_ends(http, &turn).await?;
        spoken.map_err(|error| error.to_string())
    }

    /// What `work` comes to.
    ///
    /// # Errors
    /// Why the connection ended before.
    async fn unless_it_ends<F: Future>(
        &mut self,
        mut work: Pin<&mut F>,
        turn: &Turn,
    ) -> Result<F::Output, String> {
        let leave = self.place.leave();
        let stream = Arc::clone(&self.stream);
        let mut hung_up = std::pin::pin!(hung_up(&stream));
        loop {
            let worked = std::future::poll_fn(|context| {
                let worked = work.as_mut().poll(context);
                self.place.note(turn);
                worked
            });
            tokio::select! {
                biased;
                worked = worked => return Ok(worked),
                () = &mut hung_up => return Err("its client hung up".to_owned()),
                () = leave.notified() => if self.place.can_leave() {
                    return Err("others need the room".to_owned());
                },
            }
        }
    }
}

/// The first byte that a client sends, which is still there to be read; `None`: it sends none.
async fn first_byte(stream: &TcpStream) -> std::io::Result<Option<u8>> {
    let mut first = [0];
    let count = stream.peek(&mut first).await?;
    Ok((count > 0).then_some(first[0]))
}

/// What comes of `work` within `limit`.
async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = std::io::Result<T>>,
) -> Result<T, String> {
    match timeout(limit, work).await {
        Ok(worked) => worked.map_err(|error| error.to_string()),
        Err(_) => Err("the TLS handshake took too long".to_owned()),
    }
}

/// To whoever speaks plain HTTP where TLS is spoken.
async fn not_encrypted() -> ApiError {
    ApiError::invalid("this port speaks TLS only; use https:// in the address of the server")
}
