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

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match parsed() {
        Ok(cli) => cli,
        Err(error) => return arguments::explain(&error),
    };
    logging::start(&cli.global);
    match run(&cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Standard error may be closed.
            let _ = io::stderr().write_all(failure.explain(cli.global.verbose > 0).as_bytes());
            failure.exit_code()
        }
    }
}

fn parsed() -> clap::error::Result<Cli> {
    let matches = Cli::command().try_get_matches()?;
    let cli = Cli::from_arg_matches(&matches)?;
    // The value is new, so this sets it.
    let _ = cli.global.command.set(arguments::words(&matches));
    Ok(cli)
}

async fn run(cli: &Cli) -> failure::Result<()> {
    let report = commands::run(&cli.command, &cli.global).await?;
    report.print(&cli.global)?;
    report.verdict.map_or(Ok(()), Err)
}
