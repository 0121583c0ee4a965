//! Logs to standard error, warnings by default.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::arguments::Global;

/// Starts logging. `RUST_LOG` overrides `--quiet` and `-v`.
pub(crate) fn start(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        // The scheduler logs one line for each run. A notice of the server is no message for an operator.
        (false, 0) => "warn,rylie_maintenance::scheduler::run=info,sqlx::postgres::notice=error",
        (false, 1) => "info",
        (false, _) => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    // The driver logs an unknown URL parameter with its value, which may be a password.
    let filter = match "sqlx_postgres::options=off".parse() {
        Ok(silent) => filter.add_directive(silent),
        Err(_) => filter,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .log_internal_errors(false)
        .init();
}
