//! Graceful shutdown.

/// Returns when the process is asked to end, by Ctrl-C or SIGTERM.
pub(crate) async fn asked() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // Without the signal the process is ended by its supervisor.
    drop(tokio::signal::ctrl_c().await);
}
