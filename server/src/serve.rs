//! Serving until told to stop: accept, drain, give up after the limit.

use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};

use crate::app::app;
use crate::state::ServerState;

/// Time that error answers have to leave after the engine has died.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why serving ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// On request, all answers complete.
    Drained,
    /// On request, with answers cut off at the limit.
    CutOff,
    /// The engine thread ended by itself, with this reason.
    EngineLost(String),
}

/// What the engine thread reports when it ends: nothing after a drain, else why.
pub type EngineEnd = oneshot::Receiver<Result<(), String>>;

/// Serves on `listener` until a signal (SIGTERM, SIGINT) or the end of the engine.
///
/// # Errors
/// Signals cannot be received, or the socket fails.
pub async fn serve(
    state: Arc<ServerState>,
    listener: TcpListener,
    engine_end: EngineEnd,
    drain_timeout: Duration,
) -> std::io::Result<Ended> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let asked = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    serve_until(state, listener, engine_end, drain_timeout, asked).await
}

/// As [`serve`], stopping when `asked` completes.
///
/// # Errors
/// The socket fails.
pub async fn serve_until(
    state: Arc<ServerState>,
    listener: TcpListener,
    mut engine_end: EngineEnd,
    drain_timeout: Duration,
    asked: impl Future<Output = ()>,
) -> std::io::Result<Ended> {
    let (stop, mut stopped) = watch::channel(false);
    let accepting = async move {
        // An error means that the sender is gone, which is a reason to stop as well.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let listener = listener.tap_io(send_at_once);
    let server = axum::serve(listener, app(Arc::clone(&state))).with_graceful_shutdown(accepting);
    let mut server = tokio::spawn(server.into_future());
    tokio::select! {
        // A worker that died has the last word even if a signal came at the same moment.
        biased;
        end = &mut engine_end => {
            state.set_failed();
            stop.send_replace(true);
            // Whether or not all clients read their error in time, the process ends.
            let _ = tokio::time::timeout(LAST_WORDS, server).await;
            return Ok(Ended::EngineLost(reason(end)));
        }
        result = &mut server => return result?.map(|()| Ended::Drained),
        () = asked => {}
    }
    tracing::info!(
        seconds = drain_timeout.as_secs(),
        "stopping: running requests may finish"
    );
    state.set_draining();
    stop.send_replace(true);
    match tokio::time::timeout(drain_timeout, server).await {
        Ok(result) => result?.map(|()| Ended::Drained),
        Err(_) => Ok(Ended::CutOff),
    }
}

/// A token must not wait for the client's receipt of the one before it.
fn send_at_once(connection: &mut TcpStream) {
    if let Err(error) = connection.set_nodelay(true) {
        tracing::debug!(%error, "a connection may be slow: it cannot send at once");
    }
}

fn reason(end: Result<Result<(), String>, oneshot::error::RecvError>) -> String {
    match end {
        Ok(Err(reason)) => reason,
        Ok(Ok(())) | Err(_) => "the engine thread ended unexpectedly".into(),
    }
}
