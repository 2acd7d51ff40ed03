//! Connections: how many there may be, and how long one may take to say what it wants.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most connections at once; those beyond wait to be accepted. Processes often have 1,024 file
/// descriptors, and the engine needs some.
const MOST_CONNECTIONS: usize = 900;

/// Longest time for the head of a request, and for a connection to stay open without one: more than
/// the minute for which proxies keep theirs.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// After a failure to accept, such as too many open files.
const BREATHER: Duration = Duration::from_secs(1);

/// Serves `app` to whoever connects until `stopped` completes; then takes no more connections and
/// returns when those that are open have their answers.
pub async fn serve(listener: TcpListener, app: Router, stopped: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let free = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let accepting = async {
        loop {
            let Some((socket, permit)) = next(&listener, &free).await else {
                continue;
            };
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT);
            let service = TowerToHyperService::new(app.clone());
            let connection = http.serve_connection(TokioIo::new(socket), service);
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended early");
                }
                drop(permit);
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stopped => {}
    }
    drop(listener);
    graceful.shutdown().await;
}

/// The next connection, once there may be one more; nothing after a failure.
async fn next(
    listener: &TcpListener,
    free: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    // Nobody closes the semaphore.
    let permit = Arc::clone(free).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((socket, _)) => {
            // A token must not wait for the client's receipt of the one before it.
            if let Err(error) = socket.set_nodelay(true) {
                tracing::debug!(%error, "a connection may be slow: it cannot send at once");
            }
            Some((socket, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(BREATHER).await;
            None
        }
    }
}
