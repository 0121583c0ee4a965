//! `rylie completions`

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde_json::json;

use crate::cli::Cli;
use crate::report::Report;

/// Print the completions for a shell
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie completions bash > ~/.local/share/bash-completion/completions/rylie")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Report {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "rylie", &mut script);
        let script = String::from_utf8_lossy(&script).trim_end().to_owned();
        Report::new(json!({ "script": script }), script)
    }
}
