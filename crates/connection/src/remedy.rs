//! The remedies of errors that a server reports.

use std::io::ErrorKind;

/// Returns the remedy of a driver error; `None` if only the caller knows one.
pub(crate) fn remedy(error: &sqlx::Error) -> Option<&'static str> {
    match error {
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
