//! The output of a program that only prints something.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// Returns the output as text; `None` if the program does not start, or does not end in time.
pub(crate) async fn answer_of(command: &mut Command, within: Duration) -> Option<String> {
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(within, command.output()).await.ok()?.ok()?;
    String::from_utf8(output.stdout).ok()
}
