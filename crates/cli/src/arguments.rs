//! What all commands share, and how a wrong one is answered.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args};
use rylie_db::Config;

use crate::failure::Result;

/// The file with settings, if there is one where the command is run.
const FILE: &str = "rylie.toml";

/// What every command takes, before its name or after it.
#[derive(Args, Debug)]
#[command(next_help_heading = "For every command")]
pub(crate) struct Global {
    /// The database [default: `DATABASE_URL`, else `rylie.toml`, else `sqlite://rylie.db?mode=rwc`]
    ///
    /// Other users of the machine can see the arguments of a command: a URL with a password is better kept in the
    /// environment or in the file.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,

    /// Settings from this file instead of `rylie.toml`
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Print one JSON document on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print errors only (and the document of `--json`)
    #[arg(long, global = true)]
    pub(crate) quiet: bool,

    /// Tell the causes of an error and what is being done; twice for more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl Global {
    /// Flags over the environment over the file over defaults.
    pub(crate) fn settings(&self) -> Result<Config> {
        let mut settings = Config::builder();
        let default = PathBuf::from(FILE);
        if let Some(file) = self.config.as_ref().or(default.exists().then_some(&default)) {
            settings = settings.file(file)?;
        }
        settings = settings.environment()?;
        if let Some(url) = &self.database_url {
            settings = settings.set("database_url", url)?;
        }
        Ok(settings.build()?)
    }
}

/// Prints the help, the version or what is wrong with the arguments.
pub(crate) fn explain(error: &clap::Error) -> ExitCode {
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let addresses: Vec<String> = arguments.filter(|argument| may_hold_password(argument)).collect();
    if error.use_stderr() && !addresses.is_empty() {
        // A URL in the wrong place would be repeated, password included.
        eprint(&addresses.iter().fold(error.to_string(), |text, url| masked(&text, url)));
    } else {
        // Nobody may be reading, as in `rylie --help | head -1`.
        let _ = error.print();
    }
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

fn may_hold_password(argument: &str) -> bool {
    ["://", "@", "password"].iter().any(|sign| argument.contains(sign))
}

fn masked(text: &str, argument: &str) -> String {
    let url = argument.split_once('=').filter(|(flag, _)| flag.starts_with('-')).map_or(argument, |(_, url)| url);
    text.replace(url, "***")
}

fn eprint(text: &str) {
    use std::io::Write;
    // With standard error closed there is nobody left to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
