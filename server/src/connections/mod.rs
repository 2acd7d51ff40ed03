//! Connections: how many there may be, how long one may keep us waiting, and when its client has left.
//!
//! A connection waits for its client, or its client for us (`turn`). Where there are as many as there may
//! be (`limit`), one more is taken in place of the one that waits longest for its client (`waiting`): idle
//! and half-open ones lock nobody out. A client that hangs up is noticed at once, and one that does not read
//! after a time (`socket`); with the connection, whatever is computed for it ends, and nothing else.

mod limit;
mod socket;
mod turn;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net::{TcpListener, TcpStream};

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
    /// Those of a server: as many connections as the process can have descriptors for, of which it takes
    /// all that it is allowed.
    pub fn of_process() -> Self {
        Self {
            connections: limit::raise(),
            // More than the minute for which proxies keep their connections.
            head: Duration::from_secs(75),
            write: Duration::from_secs(60),
        }
    }
}

/// Serves `app` to whoever connects until `stopped` completes; then takes no more connections and
/// returns when those that are open have their answers.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    stopped: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let waiting = Arc::new(Waiting::new(limits.connections));
    let accepting = async {
        loop {
            let Some(stream) = accept(&listener).await else {
                continue;
            };
            let place = waiting.place().await;
            let connection = Connection {
                stream: Arc::new(stream),
                place,
                limits,
            };
            tokio::spawn(connection.serve(app.clone(), graceful.watcher()));
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stopped => {}
    }
    drop(listener);
    graceful.shutdown().await;
}

/// The next connection; nothing after a failure.
async fn accept(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((stream, _)) => {
            // A token must not wait for the client's receipt of the one before it.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection may be slow: it cannot send at once");
            }
            if let Err(error) = set_socket_send_buffer_size(&stream, SYSTEM_BYTES) {
                tracing::debug!(%error, "a connection may take memory: the system keeps much for it");
            }
            Some(stream)
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
    place: Place,
    limits: Limits,
}

impl Connection {
    /// Answers its requests, until its client has hung up or it has to make room.
    async fn serve(mut self, app: Router, watcher: Watcher) {
        if self.answer(app, watcher).await {
            let leave = self.place.leave();
            tokio::select! {
                () = linger(&self.stream) => {}
                () = leave.notified() => {}
            }
        }
    }

    /// Answers its requests. Returns whether it has been told the end of the last answer: whatever ends the
    /// connection otherwise, nobody is there to read.
    async fn answer(&mut self, app: Router, watcher: Watcher) -> bool {
        let turn = Arc::new(Turn::default());
        let Limits { head, write, .. } = self.limits;
        let socket = Socket::new(Arc::clone(&self.stream), Arc::clone(&turn), write);
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(head)
            .max_buf_size(BUFFER_BYTES);
        let http =
            http.serve_connection(TokioIo::new(socket), turn::service(app, Arc::clone(&turn)));
        let mut http = std::pin::pin!(watcher.watch(http));
        let leave = self.place.leave();
        let mut hung_up = std::pin::pin!(hung_up(&self.stream));
        loop {
            let answered = std::future::poll_fn(|context| {
                let answered = http.as_mut().poll(context);
                self.place.note(&turn);
                answered
            });
            let reason = tokio::select! {
                biased;
                answered = answered => match answered {
                    Ok(()) => return true,
                    Err(error) => error.to_string(),
                },
                () = &mut hung_up => "its client hung up".to_owned(),
                () = leave.notified() => match self.place.can_leave() {
                    true => "others need the room".to_owned(),
                    false => continue,
                },
            };
            tracing::debug!(reason, "a connection ended early");
            return false;
        }
    }
}
