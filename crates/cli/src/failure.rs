//! Why a command did not do what was asked, in one line, and the exit code for it.

use std::error::Error as StdError;
use std::fmt::Write;
use std::process::ExitCode;

use rylie_db::{audit, crypto, migration, repositories};

/// The result of a command.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line or the settings lack something.
    #[error("{0}")]
    Usage(String),

    /// It worked, and what it found is not as it should be.
    #[error("{0}")]
    Found(String),

    /// A guard of the command line said no.
    #[error("refused: {0}")]
    Refused(String),

    /// The database is not in the state that the command needs.
    #[error("{0}")]
    NotReady(String),

    /// There is no file of a SQLite database, and none could be made.
    #[error(
        "there is no database file at this address, and none could be made; end the address with `?mode=rwc`, as in \
         sqlite://rylie.db?mode=rwc, and check that its folder is there and may be written to"
    )]
    NoFile(#[source] Box<rylie_db::Error>),

    /// A file, or standard input or output.
    #[error("{doing}")]
    File { doing: String, source: std::io::Error },

    /// A seed file; the parser's words are left out, as they quote the file.
    #[error("{0}")]
    SeedFile(String),

    #[error(transparent)]
    Keys(#[from] crypto::Error),

    #[error(transparent)]
    Audit(#[from] audit::Error),

    #[error(transparent)]
    Database(Box<rylie_db::Error>),
}

impl From<rylie_db::Error> for Failure {
    fn from(error: rylie_db::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

impl From<migration::Error> for Failure {
    fn from(error: migration::Error) -> Self {
        rylie_db::Error::from(error).into()
    }
}

impl From<rylie_db::maintenance::Error> for Failure {
    fn from(error: rylie_db::maintenance::Error) -> Self {
        rylie_db::Error::from(error).into()
    }
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) | Self::Audit(audit::Error::Malformed { .. } | audit::Error::Damaged { .. }) => 2,
            Self::Found(_) => 3,
            Self::Database(error) if is_rewritten(error) || is_damaged(error) => 3,
            Self::Refused(_) | Self::Keys(crypto::Error::KeyFileExists { .. }) => 4,
            Self::Database(error) if is_usage(error) => 2,
            Self::Database(error) if is_taken(error) => 4,
            Self::Database(error) if error.is_refusal() => 4,
            _ => 1,
        })
    }

    fn says_too_little(&self) -> bool {
        use rylie_db::Error::{Keys, Maintenance};
        matches!(self, Self::Database(error) if matches!(**error, Keys(_) | Maintenance(_)))
    }

    /// What failed and what to do, in one line; with the causes, each in a line of its own below.
    pub(crate) fn explain(&self, causes: bool) -> String {
        let what = one_line(&self.to_string());
        let mut causes_below = causes_of(self, &what);
        let mut text = format!("rylie: {what}");
        if self.says_too_little() && !causes_below.is_empty() {
            // A job says what it was doing, and what it works on says why it could not, without a value; so do keys.
            text.push_str(": ");
            text.push_str(&causes_below.remove(0));
        }
        if !causes && !causes_below.is_empty() {
            text.push_str("; -v tells the cause");
        }
        text.push('\n');
        for cause in causes_below.into_iter().filter(|_| causes) {
            // Writing to a `String` does not fail.
            let _ = writeln!(text, "  because: {cause}");
        }
        text
    }
}

/// A file is never written over, a job does not overlap itself, and checkpoints of two databases do not get mixed.
fn is_taken(error: &rylie_db::Error) -> bool {
    use rylie_db::maintenance::Error::{FileExists, JobRunning};
    matches!(error, rylie_db::Error::Maintenance(FileExists { .. } | JobRunning { .. }))
        || matches!(of_audit(error), Some(audit::Error::OtherDatabase))
}

/// The database is not the one that was sealed before, which is a finding also where somebody only wanted to seal.
fn is_rewritten(error: &rylie_db::Error) -> bool {
    matches!(of_audit(error), Some(audit::Error::Diverged { .. } | audit::Error::RolledBack { .. }))
}

fn is_damaged(error: &rylie_db::Error) -> bool {
    matches!(error, rylie_db::Error::Maintenance(rylie_db::maintenance::Error::BackupDamaged { .. }))
}

fn of_audit(error: &rylie_db::Error) -> Option<&audit::Error> {
    use rylie_db::maintenance::Error::Data;
    match error {
        rylie_db::Error::Maintenance(Data { source: repositories::Error::Audit(error), .. }) => Some(error),
        _ => None,
    }
}

fn is_usage(error: &rylie_db::Error) -> bool {
    use repositories::Error::Invalid;
    match error {
        _ if matches!(of_audit(error), Some(audit::Error::Damaged { .. })) => true,
        rylie_db::Error::Config { .. } | rylie_db::Error::Connect { source: Invalid { .. }, .. } => true,
        rylie_db::Error::Maintenance(error) => {
            use rylie_db::maintenance::Error::{Invalid, NotATenant, Schedule, UnknownJob};
            matches!(error, NotATenant | Invalid { .. } | Schedule { .. } | UnknownJob { .. })
        }
        rylie_db::Error::Migration(error) => {
            matches!(**error, migration::Error::UnknownScheme | migration::Error::Usage(_))
        }
        _ => false,
    }
}

/// An error of the facade with its first cause, in one line.
pub(crate) fn in_one_line(error: &rylie_db::Error) -> String {
    let what = one_line(&error.to_string());
    let cause = causes_of(error, &what).into_iter().next();
    cause.map_or(what.clone(), |cause| format!("{what}: {cause}"))
}

/// The chain of causes, without those that only repeat what was said above them.
fn causes_of(error: &dyn StdError, what: &str) -> Vec<String> {
    let mut said = vec![what.to_owned()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = one_line(&cause.to_string());
        if !text.is_empty() && said.iter().all(|earlier| !earlier.contains(&text)) {
            said.push(text);
        }
        next = cause.source();
    }
    said.split_off(1)
}

/// Servers and file names may bring line breaks and control characters; a log line is one line.
fn one_line(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::Failure;

    fn failure() -> Failure {
        Failure::File { doing: "reading a\nfile".to_owned(), source: io::Error::other("the disk\n\u{1b}[31mis gone") }
    }

    #[test]
    fn an_error_is_one_line_and_points_to_its_cause() {
        assert_eq!(failure().explain(false), "rylie: reading a file; -v tells the cause\n");
    }

    #[test]
    fn the_causes_stand_below_each_in_a_line() {
        assert_eq!(failure().explain(true), "rylie: reading a file\n  because: the disk [31mis gone\n");
    }

    #[test]
    fn a_cause_that_repeats_the_message_is_left_out() {
        let failure = Failure::File { doing: "reading: gone".to_owned(), source: io::Error::other("gone") };
        assert_eq!(failure.explain(true), "rylie: reading: gone\n");
    }
}
