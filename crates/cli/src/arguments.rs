//! The flags of all commands, and the answer to bad usage.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::{ArgAction, ArgMatches, Args};
use rylie_db::Config;
use rylie_db::own::Schema;

use crate::failure::Result;

/// The file with settings, if it exists in the working directory.
const FILE: &str = "rylie.toml";

/// The flags of every command. They stand before or after its name.
#[derive(Args, Debug)]
#[command(next_help_heading = "For every command")]
pub(crate) struct Global {
    /// The database [default: `DATABASE_URL`, else `rylie.toml`, else `sqlite://rylie.db?mode=rwc`]
    ///
    /// Other users of the machine can see a command's arguments. Keep a URL with a password in the environment or in
    /// the file.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,

    /// Read settings from this file instead of `rylie.toml`
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Print one JSON document on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print errors only (and the document of `--json`)
    #[arg(long, global = true)]
    pub(crate) quiet: bool,

    /// Print the causes of an error and log progress; twice for more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// The command's words, as `migrate deploy`
    #[arg(skip)]
    pub(crate) command: OnceLock<String>,

    /// Whether the database was printed
    #[arg(skip)]
    pub(crate) named: OnceLock<()>,

    /// The tables of the service whose command this is
    #[arg(skip)]
    pub(crate) schema: Schema,
}

impl Global {
    /// Merges the settings: flags override the environment, which overrides the file, which overrides defaults.
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
        Ok(settings.application_name(&self.application_name()).build()?.with(self.schema.clone())?)
    }

    /// Returns `rylie/` and the command, by which the server's views and logs name our sessions.
    fn application_name(&self) -> String {
        let command = self.command.get().map_or("", String::as_str);
        format!("rylie/{command}")
    }
}

/// Returns the words of the command, as `migrate deploy`.
pub(crate) fn words(matches: &ArgMatches) -> String {
    let mut words = Vec::new();
    let mut inner = matches.subcommand();
    while let Some((word, matches)) = inner {
        words.push(word);
        inner = matches.subcommand();
    }
    words.join(" ")
}

/// Prints the help, the version or the usage error.
pub(crate) fn explain(error: &clap::Error) -> ExitCode {
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let addresses: Vec<String> = arguments.filter(|argument| may_hold_password(argument)).collect();
    if error.use_stderr() && !addresses.is_empty() {
        // The message would repeat a misplaced URL with its password.
        eprint(&addresses.iter().fold(error.to_string(), |text, url| masked(&text, url)));
    } else {
        // The reader may be gone, as in `rylie --help | head -1`.
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
    // Standard error may be closed.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
