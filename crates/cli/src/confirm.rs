//! Asks before a command that cannot be taken back.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::failure::{Failure, Result};

/// A question at a terminal, and the refusal elsewhere.
pub(crate) struct Question<'a> {
    /// The consequence, and the word to type.
    pub(crate) text: &'a str,
    /// The word that confirms it.
    pub(crate) word: &'a str,
    /// The refusal of any other answer.
    pub(crate) declined: &'a str,
    /// The refusal without a terminal and without `--yes`.
    pub(crate) unasked: &'a str,
}

impl Question<'_> {
    /// Asks, unless `yes` answers it. Without a terminal it is refused.
    pub(crate) fn confirm(&self, yes: bool) -> Result<()> {
        let reason = match (yes, io::stdin().is_terminal()) {
            (true, _) => return Ok(()),
            (false, true) if self.ask()? => return Ok(()),
            (false, true) => self.declined,
            (false, false) => self.unasked,
        };
        Err(Failure::Refused(reason.to_owned()))
    }

    fn ask(&self) -> Result<bool> {
        let failed = |source| Failure::File { doing: "asking at the terminal".to_owned(), source };
        write!(io::stderr(), "{}", self.text).map_err(failed)?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map_err(failed)?;
        Ok(answer.trim() == self.word)
    }
}
