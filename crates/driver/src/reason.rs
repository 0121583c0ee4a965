//! The reason for a driver's error, without values, and its remedy.

use std::fmt;
use std::io::ErrorKind;

/// Displays the reason for an error in one line: the server's message with its SQLSTATE (or SQLite's code). Messages of
/// class 22 quote values, so only their code is shown.
#[derive(Clone, Copy, Debug)]
pub struct Reason<'e>(pub &'e sqlx::Error);

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
                    "check that the server runs, and the host and port of the URL"
                }
                ErrorKind::PermissionDenied => "let this user open the server's socket or the file",
                _ => "check the host and port of the URL, and the network",
            }),
            sqlx::Error::PoolTimedOut => Some("check the host and port of the URL, and the network"),
            sqlx::Error::Tls(_) => Some("turn TLS on in the server, or change `sslmode` and `sslrootcert` in the URL"),
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
                if code.starts_with("22") {
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

/// Codes: <https://www.postgresql.org/docs/15/errcodes-appendix.html>, <https://www.sqlite.org/rescode.html>.
fn of_code(code: &str) -> Option<&'static str> {
    Some(match code {
        "28P01" => "correct the user or the password in the URL",
        "28000" => "correct the user or `sslmode` in the URL, or admit this login in the server's pg_hba.conf",
        "3D000" => "create the database, or correct its name in the URL",
        "42501" => "grant this login the right, or use the table owner's login",
        "53100" | "13" => "free space on the disk of the database",
        "53300" => "close other connections, or raise the server's max_connections",
        "57P03" => "wait until the server accepts connections",
        "8" | "14" => "check that the file and its folder exist and may be written to",
        "26" => "name a SQLite file",
        _ => return None,
    })
}
