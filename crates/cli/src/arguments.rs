//! The arguments: what all commands share, and how a wrong one is answered.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args, Parser};
use rylie_db::Config;

use crate::commands::Command;
use crate::failure::Result;

/// The file with settings, if there is one where the command is run.
const FILE: &str = "rylie.toml";

const EXAMPLES: &str = "\
Exit codes: 0 done and healthy, 1 failed, 2 bad usage, 3 found something wrong, 4 refused by a guard.

Example:
  rylie migrate deploy && rylie seed";

/// The database of the platform, from the command line.
#[derive(Debug, Parser)]
#[command(name = "rylie", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

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

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::Cli;

    fn leaves(command: &Command, path: &str, found: &mut Vec<String>) {
        let subcommands: Vec<_> = command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
        if subcommands.is_empty() {
            found.push(path.trim_start().to_owned());
        }
        for sub in subcommands {
            leaves(sub, &format!("{path} {}", sub.get_name()), found);
        }
    }

    fn every_level<'a>(command: &'a Command, found: &mut Vec<&'a Command>) {
        found.push(command);
        command.get_subcommands().for_each(|sub| every_level(sub, found));
    }

    #[test]
    fn the_arguments_contradict_nothing() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_gives_an_example_on_every_level() {
        let cli = Cli::command();
        let mut levels = Vec::new();
        every_level(&cli, &mut levels);

        for level in levels {
            let help = level.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example:\n  ") && help.contains("rylie"), "{} has no example", level.get_name());
            assert!(level.get_about().is_some(), "{} does not say what it does", level.get_name());
        }
    }

    #[test]
    fn the_readme_names_every_command() {
        let readme = include_str!("../README.md");
        let mut commands = Vec::new();
        leaves(&Cli::command(), "", &mut commands);

        for command in commands {
            assert!(readme.contains(&format!("`{command}")), "the README does not name {command}");
        }
    }
}
