//! Stopping, as a protocol with two tokens: first no new work, then no work at all.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancelled one after the other; `abort` never without `intake`.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Take nothing new; finish what runs.
    pub intake: CancellationToken,
    /// Kill what runs and give it back, now.
    pub abort: CancellationToken,
}

impl Shutdown {
    /// Listens for SIGTERM and SIGINT: the first stops intake and starts the grace period, a second one (or the end of
    /// the grace period) aborts.
    ///
    /// # Errors
    /// When the handlers can't be installed.
    pub fn on_signals(grace_period: Duration) -> std::io::Result<Shutdown> {
        let shutdown = Shutdown::default();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let tokens = shutdown.clone();
        tokio::spawn(async move {
            let first = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            tracing::info!(signal = first, grace_period_s = grace_period.as_secs(), "stopping: finishing the jobs that run");
            tokens.intake.cancel();
            let why = tokio::select! {
                _ = terminate.recv() => "a second signal came",
                _ = interrupt.recv() => "a second signal came",
                () = tokio::time::sleep(grace_period) => "the grace period is over",
            };
            tracing::warn!(why, "giving back the jobs that still run");
            tokens.abort.cancel();
        });
        Ok(shutdown)
    }
}
