//! What a service manager is told, as `sd_notify(3)` has it: that the server is ready, reloads its files,
//! stops, and is alive. Without one, nothing happens.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::state::ServerState;

/// Whether there is a service manager that wants to be told.
pub fn listens() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Requests are served.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// What happens before that.
pub fn loading() {
    tell(&[NotifyState::Status("loading the model")]);
}

/// Files are read again; [`ready`] says when that is over.
pub fn reloading() {
    // The time tells this notice from an older one; without it, systemd would wait for nothing.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "the service manager is not told of the reload"),
    }
}

/// The server stops when running answers are complete.
pub fn stopping() {
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("stopping: running answers are finished"),
    ]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told what happens here");
    }
}

/// Says that the server is alive, for as long as it is, if the service manager asked for it. It is alive when this
/// task runs, so the HTTP side does, and the engine has nothing to do or has done something since the last look.
pub async fn keep_watchdog(state: Arc<ServerState>) {
    let period = sd_notify::watchdog_enabled().filter(|period| !period.is_zero());
    if let Some(period) = period {
        let alive = || tell(&[NotifyState::Watchdog]);
        watch(period, || state.queue.pulse(), alive).await;
    }
}

/// Looks four times in a `period`, so that a step of the engine may take half of it.
async fn watch(period: Duration, pulse: impl Fn() -> Option<u64>, alive: impl Fn()) {
    let mut before = None;
    loop {
        let now = pulse();
        if now.is_none() || now != before {
            alive();
        }
        before = now;
        tokio::time::sleep(period / 4).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(40);

    /// How often the service manager hears of an engine with this pulse in ten periods.
    async fn heard(pulse: impl Fn(u64) -> Option<u64>) -> usize {
        let (looks, heard) = (Cell::new(0), Cell::new(0));
        let look = || {
            looks.set(looks.get() + 1);
            pulse(looks.get())
        };
        let watching = watch(PERIOD, look, || heard.set(heard.get() + 1));
        let _ = tokio::time::timeout(10 * PERIOD - PERIOD / 8, watching).await;
        heard.get()
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_idles_or_works_is_alive_and_one_that_hangs_is_not() {
        assert_eq!(heard(|_| None).await, 40, "idle");
        assert_eq!(heard(Some).await, 40, "works");
        assert_eq!(
            heard(|look| Some(look / 2)).await,
            21,
            "a step takes two looks"
        );
        assert_eq!(heard(|_| Some(7)).await, 1, "hangs");
    }
}
