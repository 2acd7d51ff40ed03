//! Serving until told to stop: accept, drain, give up after the limit.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};

use crate::app::app;
use crate::connections::{self, Limits, Service};
use crate::reload::Reload;
use crate::service_manager;
use crate::state::ServerState;
use crate::tls::Tls;

/// Time that error answers have to leave when the process ends before the answers are complete.
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

/// The same when it has come, or the thread went without one.
type EngineReport = Result<Result<(), String>, oneshot::error::RecvError>;

/// Where and how requests are served.
pub struct Setup {
    /// What answers them.
    pub state: Arc<ServerState>,
    /// Where they come from.
    pub listener: TcpListener,
    /// How many connections there may be, and how long they may take.
    pub limits: Limits,
    /// `None`: nothing is encrypted.
    pub tls: Option<Arc<Tls>>,
    /// Longest time for answers to be completed after the first signal.
    pub drain_timeout: Duration,
}

/// Serves until a signal (SIGTERM, SIGINT) or the end of the engine. A second signal ends the drain; SIGHUP
/// reads files again.
///
/// # Errors
/// Signals cannot be received.
pub async fn serve(setup: Setup, engine_end: EngineEnd, reload: Reload) -> std::io::Result<Ended> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (count, signals) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            count.send_modify(|count| *count += 1);
        }
    });
    if reload.is_wanted() {
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                let reload = reload.clone();
                // Files may be slow.
                let _ = tokio::task::spawn_blocking(move || reload.run()).await;
            }
        });
    }
    tokio::spawn(service_manager::keep_watchdog(Arc::clone(&setup.state)));
    Ok(serve_until(setup, engine_end, signals).await)
}

/// As [`serve`]: the first of `signals`, which counts them, asks to stop, the second to do so now.
pub async fn serve_until(
    setup: Setup,
    mut engine_end: EngineEnd,
    mut signals: watch::Receiver<u32>,
) -> Ended {
    let Setup {
        state,
        listener,
        limits,
        tls,
        drain_timeout,
    } = setup;
    let (stop, mut stopped) = watch::channel(false);
    let stopped = async move {
        // An error means that the sender is gone, which is a reason to stop as well.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let service = Service {
        app: app(Arc::clone(&state)),
        limits,
        tls,
    };
    let serving = connections::serve(listener, service, stopped);
    tokio::pin!(serving);
    tokio::select! {
        // A worker that died has the last word even if a signal came at the same moment.
        biased;
        end = &mut engine_end => {
            stop.send_replace(true);
            return lost(&state, serving, end).await;
        }
        () = received(&mut signals, 1) => {}
        () = &mut serving => return Ended::Drained,
    }
    tracing::info!(
        seconds = drain_timeout.as_secs(),
        "stopping: running requests may finish, new ones get 503; a second signal cuts them off"
    );
    service_manager::stopping();
    state.set_draining();
    stop.send_replace(true);
    tokio::select! {
        biased;
        end = &mut engine_end => return lost(&state, serving, end).await,
        () = &mut serving => return Ended::Drained,
        () = received(&mut signals, 2) => {}
        () = tokio::time::sleep(drain_timeout) => {}
    }
    state.set_cut_off();
    last_words(serving).await;
    Ended::CutOff
}

/// Ends all requests with an error.
async fn lost(state: &ServerState, serving: impl Future<Output = ()>, end: EngineReport) -> Ended {
    state.set_failed();
    last_words(serving).await;
    Ended::EngineLost(reason(end))
}

/// Whether or not all clients read the end of their answers in time, the process ends.
async fn last_words(serving: impl Future<Output = ()>) {
    let _ = tokio::time::timeout(LAST_WORDS, serving).await;
}

/// Completes when `count` signals have come.
async fn received(signals: &mut watch::Receiver<u32>, count: u32) {
    let come = signals.wait_for(|come| *come >= count).await.is_ok();
    if !come {
        // Nobody can send one any more.
        std::future::pending::<()>().await;
    }
}

fn reason(end: EngineReport) -> String {
    match end {
        Ok(Err(reason)) => reason,
        Ok(Ok(())) | Err(_) => "the engine thread ended unexpectedly".into(),
    }
}
