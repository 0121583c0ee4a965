//! The reason for a driver's error, without values, and its remedy.

use std::borrow::Cow;
use std::fmt;
use std::io::ErrorKind;

use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

/// Displays the reason for an error in one line: the server's message with its SQLSTATE (or SQLite's code).
///
/// Some messages quote values of rows, so only their code is shown: those of class 22, and those that a function of
/// others raises, as a trigger does.
#[derive(Clone, Copy, Debug)]
pub struct Reason<'e>(pub &'e sqlx::Error);

/// Returns the SQLSTATE of an error that the server reported, or SQLite's code.
#[must_use]
pub fn code_of(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error().and_then(DatabaseError::code)
}

impl Reason<'_> {
    /// Returns the reason, followed by the remedy of the known cases.
    #[must_use]
    pub fn with_remedy(&self) -> String {
        match self.remedy() {
            Some(remedy) => format!("{self}; {remedy}"),
            None => self.to_string(),
        }
    }

    /// Returns the remedy; `None` if only the caller knows one.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        match self.0 {
            sqlx::Error::Database(report) => of_code(&report.code().unwrap_or_default()),
            sqlx::Error::Io(error) => Some(match error.kind() {
                ErrorKind::ConnectionRefused | ErrorKind::NotFound => {
                    "check that the server runs, the host and port of the URL, and the files that it names for TLS"
                }
                ErrorKind::InvalidData => OF_TLS,
                ErrorKind::PermissionDenied => "let this user open the server's socket or the file",
                _ => "check the host and port of the URL, and the network",
            }),
            sqlx::Error::PoolTimedOut => Some("check the host and port of the URL, and the network"),
            sqlx::Error::Tls(error) if error.to_string().contains("does not support TLS") => {
                Some("turn TLS on in the server, or change `sslmode` in the URL")
            }
            sqlx::Error::Tls(error) if error.to_string().contains("CaUsedAsEndEntity") => Some(
                "give the server a certificate that is no authority itself (`basicConstraints=CA:FALSE`), issued by an \
                 authority whose file `sslrootcert` names",
            ),
            sqlx::Error::Tls(_) => Some(OF_TLS),
            sqlx::Error::Configuration(_) => Some("correct the URL; its form is postgres://user@host:port/database"),
            _ => None,
        }
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            sqlx::Error::Database(report) => {
                let code = report.code().unwrap_or_default();
                if is_raised_by_others(&**report) {
                    write!(f, "a trigger or function of the database raised an error (SQLSTATE {code})")
                } else if code.starts_with("22") {
                    write!(f, "SQLSTATE {code}")
                } else {
                    write!(f, "{} ({code})", report.message())
                }
            }
            sqlx::Error::ColumnDecode { index, .. } => write!(f, "column {index} contains an unexpected value"),
            sqlx::Error::PoolTimedOut => write!(f, "no answer in time"),
            error => write!(f, "{error}"),
        }
    }
}

/// The handshake failed: the server's certificate was not accepted, or it did not accept ours.
const OF_TLS: &str = "check `sslmode` and `sslrootcert` in the URL: the server's certificate must be issued by an authority in that file, \
     and `verify-full` needs the host's name in it";

/// Returns whether PL/pgSQL code that is not ours raised the error. Its message is free text. Our functions begin with
/// `rylie_`, and our blocks have no name.
fn is_raised_by_others(report: &dyn DatabaseError) -> bool {
    let Some(report) = report.try_downcast_ref::<PgDatabaseError>() else { return false };
    let raised = report.routine() == Some("exec_stmt_raise") || report.code().starts_with("P0");
    let place = report.r#where().and_then(|context| context.lines().next()).unwrap_or_default();
    let name = place.strip_prefix("PL/pgSQL function ").unwrap_or_default();
    let name = name.strip_prefix("public.").unwrap_or(name);
    raised && !name.starts_with("rylie_") && !name.starts_with("inline_code_block")
}

/// Codes: <https://www.postgresql.org/docs/15/errcodes-appendix.html>, <https://www.sqlite.org/rescode.html>.
fn of_code(code: &str) -> Option<&'static str> {
    Some(match code {
        "25006" => "let the database or this login write (`default_transaction_read_only`), or name the primary server",
        "28P01" => "correct the user or the password in the URL",
        "28000" => "correct the user or `sslmode` in the URL, or admit this login in the server's pg_hba.conf",
        "3D000" => "create the database, or correct its name in the URL",
        "42P01" | "42703" | "42883" => {
            "run `rylie migrate deploy`, or `rylie adopt` if Prisma created the database: the schema is not this version's"
        }
        "5" | "261" | "517" => "wait until the other process is done with the file, then run the same command again",
        "42501" => "grant this login the right, or use the table owner's login",
        "53100" | "13" => "free space on the disk of the database",
        "53300" => "close other connections, or raise the server's max_connections",
        "57P03" => "wait until the server accepts connections",
        "8" | "14" => "check that the file and its folder exist and may be written to",
        "26" => "name a SQLite file",
        _ => return None,
    })
}
