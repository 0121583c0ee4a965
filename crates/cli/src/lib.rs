#![doc = include_str!("../README.md")]

mod arguments;
mod cli;
mod commands;
mod confirm;
mod failure;
mod logging;
mod new_file;
mod preflight;
mod progress;
mod report;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use cli::Cli;
use rylie_db::own::Schema;

/// Runs the command with the arguments of the process, for a service with its own tables. Every subcommand knows the
/// tables and migrations of `schema`. Exit codes: 0 done and healthy, 1 failed, 2 bad usage, 3 found something wrong, 4
/// refused by a guard.
///
/// Call it from `main`, outside an asynchronous runtime: it starts one.
///
/// ```no_run
/// # use rylie_db::own::Schema;
/// # fn schema() -> Schema { Schema::new() }
/// fn main() -> std::process::ExitCode {
///     rylie_cli::run(schema())
/// }
/// ```
#[must_use = "it is the exit code of the process"]
pub fn run(schema: Schema) -> ExitCode {
    let cli = match parsed(schema) {
        Ok(cli) => cli,
        Err(error) => return arguments::explain(&error),
    };
    logging::start(&cli.global);
    let done = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run_parsed(&cli)),
        Err(source) => Err(failure::Failure::File { doing: "starting the threads of the command".to_owned(), source }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Standard error may be closed.
            let _ = io::stderr().write_all(failure.explain(cli.global.verbose > 0).as_bytes());
            failure.exit_code()
        }
    }
}

fn parsed(schema: Schema) -> clap::error::Result<Cli> {
    let matches = Cli::command().try_get_matches()?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    cli.global.schema = schema;
    // The value is new, so this sets it.
    let _ = cli.global.command.set(arguments::words(&matches));
    Ok(cli)
}

async fn run_parsed(cli: &Cli) -> failure::Result<()> {
    let report = if cli.command.resumes() {
        tokio::select! {
            biased;
            done = commands::run(&cli.command, &cli.global) => done?,
            () = interrupted() => return Err(failure::Failure::Interrupted),
        }
    } else {
        commands::run(&cli.command, &cli.global).await?
    };
    report.print(&cli.global)?;
    report.verdict.map_or(Ok(()), Err)
}

/// Waits for the signals of Ctrl-C, of a service manager and of a closed terminal; for ever where there are none.
#[cfg(unix)]
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let signals: io::Result<Vec<_>> = kinds.into_iter().map(signal).collect();
    let Ok(mut signals) = signals else { return std::future::pending().await };
    std::future::poll_fn(|context| {
        let received = signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
        if received { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

/// As above, where Ctrl-C is the only signal.
#[cfg(not(unix))]
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
