//! The command line as a whole.

use clap::Parser;

use crate::arguments::Global;
use crate::commands::Command;

const EXAMPLES: &str = "\
Exit codes: 0 done and healthy, 1 failed, 2 bad usage, 3 found something wrong, 4 refused by a guard.

Example:
  rylie migrate deploy && rylie seed";

/// Operates the platform's database
#[derive(Debug, Parser)]
#[command(name = "rylie", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
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
