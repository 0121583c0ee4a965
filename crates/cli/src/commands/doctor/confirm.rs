//! Asking before something is changed.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::failure::{Failure, Result};

/// Returns if the user agrees. Refuses without a terminal, unless `yes` is set.
pub(super) fn confirm(question: &str, yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::Refused(format!("{question} needs --yes where no terminal can ask; nothing was done")));
    }
    // Standard error may be closed; then the answer is not given either.
    let _ = write!(io::stderr(), "{question}? [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|source| Failure::File { doing: "reading the answer".to_owned(), source })?;
    if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        return Ok(());
    }
    Err(Failure::Refused("not confirmed; nothing was done".to_owned()))
}
