//! A session that only reads, and what its statements answer.

pub(super) mod placeholders;
pub(super) mod rights;

use std::time::Duration;

use rylie_driver::Reason;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use super::report::{Evidence, Fix, Outcome, Verdict};
use crate::engine::Engine;
use rights::Rights;

/// Maximum wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Maximum time of one statement on the server, in milliseconds; a second more on this side.
const STATEMENT_MS: u64 = 2_000;

/// The same in a deep run.
const DEEP_MS: u64 = 3_600_000;

/// A session that only reads.
pub(crate) struct Session {
    connection: PgConnection,
    pub(crate) rights: Rights,
    /// Set when the server stopped answering.
    lost: bool,
    statement_ms: u64,
}

/// Why a statement gave no rows.
pub(crate) enum Failed {
    /// The server's answer.
    Refused {
        /// SQLSTATE.
        code: String,
        /// The reason, in words.
        reason: String,
    },
    /// The server does not answer.
    Silent,
}

impl Failed {
    /// Whether the server met a damaged page or index.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "XX001" || code == "XX002")
    }

    pub(crate) fn outcome(&self) -> Outcome {
        if let Self::Refused { reason, .. } = self
            && self.is_damage()
        {
            return Outcome::found(Verdict::Critical, "damaged page", reason.clone()).fixed_by(
                "stop the service; keep a copy of the data directory; rylie backup restore on another disk",
                "none",
            );
        }
        Outcome::not_checked(match self {
            Self::Refused { reason, .. } => reason.clone(),
            Self::Silent => "the server stopped answering".to_owned(),
        })
    }
}

impl Session {
    /// Opens a session. Returns the reason of a failure in words.
    pub(crate) async fn open(engine: &Engine, deep: bool) -> Result<(Self, String), String> {
        let options = engine.plain_options().ok_or("this is no PostgreSQL database")?;
        let options = options.application_name("rylie doctor").disable_statement_logging().statement_cache_capacity(0);
        let opening = async {
            let mut connection = options.connect().await?;
            let (rights, version) = Rights::read(&mut connection).await?;
            Ok::<_, sqlx::Error>((
                Self { connection, rights, lost: false, statement_ms: if deep { DEEP_MS } else { STATEMENT_MS } },
                version,
            ))
        };
        match tokio::time::timeout(CONNECT, opening).await {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(error)) => {
                let what =
                    if error.as_database_error().is_some() { "refuses the session" } else { "cannot be reached" };
                Err(format!("the server {what}: {}", Reason(&error).with_remedy()))
            }
            Err(_) => Err("the server does not answer within 5 s".to_owned()),
        }
    }

    pub(crate) async fn close(self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.connection.close()).await;
    }

    /// Returns the rows of a statement in a read-only transaction. `role`: a statement before it, or nothing.
    ///
    /// One message, and every setting ends with the transaction: a session of a pooler keeps none.
    pub(crate) async fn rows(&mut self, role: &str, sql: &str) -> Result<Vec<PgRow>, Failed> {
        self.transaction("READ ONLY", role, sql).await
    }

    /// As [`rows`](Self::rows), in a transaction that may write. It is always rolled back.
    pub(crate) async fn rows_rolled_back(&mut self, role: &str, sql: &str) -> Result<Vec<PgRow>, Failed> {
        self.transaction("READ WRITE", role, sql).await
    }

    async fn transaction(&mut self, access: &str, role: &str, sql: &str) -> Result<Vec<PgRow>, Failed> {
        if self.lost {
            return Err(Failed::Silent);
        }
        let batch = format!(
            "BEGIN {access}; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = 300; \
             SET LOCAL search_path = pg_catalog, public, pg_temp; {role} {sql}; ROLLBACK",
            self.statement_ms
        );
        let limit = Duration::from_millis(self.statement_ms + 1_000);
        let answered =
            tokio::time::timeout(limit, sqlx::raw_sql(AssertSqlSafe(batch)).fetch_all(&mut self.connection)).await;
        let Ok(answer) = answered else {
            self.lost = true;
            return Err(Failed::Silent);
        };
        match answer {
            Ok(rows) => Ok(rows),
            Err(error) => {
                let Some(refused) = error.as_database_error() else {
                    self.lost = true;
                    return Err(Failed::Silent);
                };
                let (code, message) = (refused.code().unwrap_or_default().into_owned(), refused.message().to_owned());
                let ended = tokio::time::timeout(limit, sqlx::raw_sql("ROLLBACK").execute(&mut self.connection)).await;
                self.lost = !matches!(ended, Ok(Ok(_)));
                Err(Failed::Refused { reason: in_words(&code, &message), code })
            }
        }
    }
}

/// Returns the columns of a row as texts.
pub(crate) fn texts(row: &PgRow) -> sqlx::Result<[Option<String>; 5]> {
    Ok([row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?])
}

/// Returns the outcome that the rows of a check's statement describe.
pub(crate) fn outcome(rows: impl Iterator<Item = [Option<String>; 5]>) -> Outcome {
    let mut outcome = Outcome::default();
    for [level, object, detail, fix, lock] in rows {
        let (object, detail) = (object.unwrap_or_default(), detail.unwrap_or_default());
        let level = match level.as_deref() {
            Some("critical") => Verdict::Critical,
            Some("warning") => Verdict::Warning,
            Some("not-checked") => Verdict::NotChecked,
            _ => {
                outcome.detail = Some(detail);
                continue;
            }
        };
        let lock = lock.unwrap_or_else(|| "none".to_owned());
        outcome.evidence.push(Evidence { level, object, detail, fix: fix.map(|command| Fix { command, lock }) });
    }
    outcome
}

fn in_words(code: &str, message: &str) -> String {
    match code {
        "42501" => format!("this login lacks a right: {message}"),
        "57014" => "the statement took longer than 2 s; name this check with --only at a quiet time".to_owned(),
        "55P03" => "another session holds a lock that the check needs".to_owned(),
        "42P01" | "42703" | "42883" | "42704" | "3F000" => {
            format!("the database lacks what the check reads: {message}")
        }
        _ => format!("the server refused the statement: {message} ({code})"),
    }
}

/// Returns the reason of a failure without values.
pub(crate) fn reason(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(error) => format!("SQLite refused: {}", error.message()),
        None => format!("the file cannot be read: {error}"),
    }
}
