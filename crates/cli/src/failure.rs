//! The reason for a command's failure, in one line, with its exit code.

use std::error::Error as StdError;
use std::fmt::Write;
use std::process::ExitCode;

use rylie_db::{audit, crypto, migration, repositories};

/// The result of a command.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// A command's failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The arguments or the settings are wrong.
    #[error("{0}")]
    Usage(String),

    /// The command worked and found a problem.
    #[error("{0}")]
    Found(String),

    /// A guard of the command line refused.
    #[error("refused: {0}")]
    Refused(String),

    /// The database is not in the state that the command needs.
    #[error("{0}")]
    NotReady(String),

    /// The file of a SQLite database is missing and could not be created.
    #[error(
        "there is no database file at this address, and none could be created; end the address with `?mode=rwc`, as in \
         sqlite://rylie.db?mode=rwc, and check that its folder is there and may be written to"
    )]
    NoFile(#[source] Box<rylie_db::Error>),

    /// A signal ended a command that continues when it is run again.
    #[error("interrupted; what is done stays: run the same command again, it resumes")]
    Interrupted,

    /// A failed operation on a file, or on standard input or output.
    #[error("{doing}")]
    File { doing: String, source: std::io::Error },

    /// An invalid seed file. The parser's message is left out because it quotes the file.
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
            Self::Interrupted => 130,
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

    /// Returns whether the message contains the server's reason and the remedy.
    fn says_all(&self) -> bool {
        use migration::Error::{Connect, Database};
        let Self::Database(error) = self else { return false };
        match &**error {
            rylie_db::Error::Migration(error) => matches!(**error, Connect(_) | Database { .. }),
            rylie_db::Error::Connect { .. } | rylie_db::Error::MayNotReadMigrations(_) => true,
            rylie_db::Error::Repository(error) => matches!(error, repositories::Error::Database(_)),
            _ => false,
        }
    }

    /// Returns the failure and its remedy in one line. With `causes`, each cause follows on its own line.
    pub(crate) fn explain(&self, causes: bool) -> String {
        let what = one_line(&self.to_string());
        let mut causes_below = causes_of(self, &what);
        let mut text = format!("rylie: {what}");
        if self.says_too_little() && !causes_below.is_empty() {
            // Errors of jobs and of keys do not contain their reason; it contains no value.
            text.push_str(": ");
            text.push_str(&causes_below.remove(0));
        }
        if !causes && !self.says_all() && !causes_below.is_empty() {
            text.push_str("; -v shows the cause");
        }
        text.push('\n');
        for cause in causes_below.into_iter().filter(|_| causes) {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "  because: {cause}");
        }
        text
    }
}

/// Returns whether the error protects something: an existing file, a running job, or checkpoints of another database.
fn is_taken(error: &rylie_db::Error) -> bool {
    use rylie_db::maintenance::Error::{FileExists, JobRunning};
    matches!(error, rylie_db::Error::Maintenance(FileExists { .. } | JobRunning { .. }))
        || matches!(of_audit(error), Some(audit::Error::OtherDatabase))
}

/// Returns whether the database differs from the sealed one. That is a finding for a command that only seals, too.
fn is_rewritten(error: &rylie_db::Error) -> bool {
    matches!(of_audit(error), Some(audit::Error::Diverged { .. } | audit::Error::RolledBack { .. }))
}

fn is_damaged(error: &rylie_db::Error) -> bool {
    use rylie_db::maintenance::Error::{BackupDamaged, TargetNotReached, WalDamaged};
    let rylie_db::Error::Maintenance(error) = error else { return false };
    matches!(error, BackupDamaged { .. } | WalDamaged { .. } | TargetNotReached { .. })
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
            matches!(
                **error,
                migration::Error::UnknownScheme | migration::Error::Address(_) | migration::Error::Usage(_)
            )
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

/// Returns the chain of causes, without those that repeat an earlier message.
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

/// Joins lines, because a log line is one line: servers and file names may contain line breaks and control characters.
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
        assert_eq!(failure().explain(false), "rylie: reading a file; -v shows the cause\n");
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
