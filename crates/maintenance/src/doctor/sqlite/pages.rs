//! Pages, journal and rows.

use rylie_driver::code_of;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use crate::doctor::data::DoctorData;
use crate::doctor::report::{Limits, Outcome, Verdict};
use crate::doctor::session::reason;

/// The size up to which every run reads the whole file.
const WHOLE: i64 = 256 << 20;

async fn number(connection: &mut SqliteConnection, pragma: &str) -> Result<i64, Outcome> {
    let sql = AssertSqlSafe(format!("PRAGMA {pragma}"));
    let value = sqlx::query_scalar(sql).persistent(false).fetch_one(connection).await;
    value.map_err(|error| Outcome::not_checked(reason(&error)))
}

async fn bytes(connection: &mut SqliteConnection) -> Result<i64, Outcome> {
    Ok(number(&mut *connection, "page_count").await?.saturating_mul(number(connection, "page_size").await?))
}

/// A large file is read in deep runs and by the job `integrity`.
async fn too_large(connection: &mut SqliteConnection, deep: bool) -> Option<Outcome> {
    match bytes(connection).await {
        Ok(bytes) if bytes > WHOLE && !deep => Some(Outcome::not_checked(
            "the file is larger than 256 MB; --deep reads it as a whole, and so does the job `integrity`",
        )),
        Ok(_) => None,
        Err(failed) => Some(failed),
    }
}

pub(super) async fn integrity(connection: &mut SqliteConnection, deep: bool) -> Outcome {
    if let Some(outcome) = too_large(connection, deep).await {
        return outcome;
    }
    let found: Result<Vec<String>, _> =
        sqlx::query_scalar("PRAGMA integrity_check(10)").persistent(false).fetch_all(connection).await;
    match found {
        Ok(lines) if lines == ["ok"] => Outcome::ok("the file is whole"),
        Ok(lines) => {
            let of_index = |line: &String| line.contains("missing from index") || line.contains("entries in index");
            let only_indexes = lines.iter().all(of_index);
            let outcome = lines.iter().fold(Outcome::default(), |outcome, line| {
                outcome.with(Verdict::Critical, "file", line.replace('\n', " "))
            });
            if only_indexes {
                outcome.fixed_by("REINDEX; then check again: only indexes are damaged, no row is", "the write lock")
            } else {
                outcome
            }
        }
        Err(error) => {
            let reason = reason(&error);
            if is_damage(&error) {
                Outcome::found(Verdict::Critical, "file", reason)
            } else {
                Outcome::not_checked(reason)
            }
        }
    }
}

/// Whether SQLite found the file damaged, or no database at all.
pub(crate) fn is_damage(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| {
        error.code().is_some_and(|code| {
            ["11", "26"].contains(&code.as_ref()) || code.parse::<i32>().is_ok_and(|code| code & 0xff == 11)
        })
    })
}

pub(super) async fn foreign_key_rows(connection: &mut SqliteConnection, deep: bool) -> Outcome {
    if let Some(outcome) = too_large(connection, deep).await {
        return outcome;
    }
    let sql = "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2 LIMIT 20";
    match sqlx::query(sql).persistent(false).fetch_all(connection).await {
        Ok(rows) => rows.iter().fold(Outcome::ok("no row lacks its parent"), |outcome, row| {
            let text = |column: usize| row.try_get::<String, _>(column).unwrap_or_default();
            let detail = format!("{} rows have no parent in {}", row.try_get::<i64, _>(2).unwrap_or_default(), text(1));
            outcome.with(Verdict::Critical, format!("table {}", text(0)), detail)
        }),
        Err(error) => Outcome::not_checked(reason(&error)),
    }
}

pub(super) async fn foreign_keys(connection: &mut SqliteConnection) -> Outcome {
    match number(connection, "foreign_keys").await {
        Ok(1) => Outcome::ok("sessions of this URL enforce foreign keys"),
        Ok(_) => Outcome::found(Verdict::Critical, "session", "foreign keys are off"),
        Err(failed) => failed,
    }
}

pub(super) async fn journal_mode(connection: &mut SqliteConnection) -> Outcome {
    let mode: Result<String, _> =
        sqlx::query_scalar("PRAGMA journal_mode").persistent(false).fetch_one(connection).await;
    match mode.as_deref() {
        Ok("wal") => Outcome::ok("the journal mode is wal"),
        Ok(mode) => Outcome::found(Verdict::Warning, "file", format!("the journal mode is {mode}")),
        Err(error) => Outcome::not_checked(reason(error)),
    }
}

/// Takes the write lock for a moment, and changes nothing. A writer of the service holds it for milliseconds.
pub(super) async fn write_lock(connection: &mut SqliteConnection) -> Outcome {
    const TRY: &str = "PRAGMA busy_timeout = 2000; PRAGMA query_only = OFF; BEGIN IMMEDIATE";
    const END: &str = "ROLLBACK; PRAGMA query_only = ON";
    const BACK: &str = "PRAGMA query_only = ON";
    let taken = sqlx::raw_sql(TRY).execute(&mut *connection).await;
    // If this fails, the session could write, and no check does.
    let _ = sqlx::raw_sql(if taken.is_ok() { END } else { BACK }).execute(connection).await;
    match taken {
        Ok(_) => Outcome::ok("the file can be written, and its write lock is free"),
        Err(error) if code_of(&error).as_deref() == Some("5") => Outcome::found(
            Verdict::Critical,
            "file",
            "another process has kept the write lock for 2 s; every writer waits",
        ),
        Err(error) => Outcome::not_checked(reason(&error)),
    }
}

pub(super) async fn free_pages(connection: &mut SqliteConnection, limits: &Limits) -> Outcome {
    let (free, all) = match (number(&mut *connection, "freelist_count").await, number(connection, "page_count").await) {
        (Ok(free), Ok(all)) => (free, all.max(1)),
        (Err(failed), _) | (_, Err(failed)) => return failed,
    };
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = free as f64 * 100.0 / all as f64;
    let detail = format!("{free} of {all} pages are free");
    // A small file is not worth rewriting.
    if free < 100 || share < limits.warning {
        Outcome::ok(detail)
    } else if share >= limits.critical {
        Outcome::found(Verdict::Critical, "file", detail)
    } else {
        Outcome::found(Verdict::Warning, "file", detail)
    }
}

/// Measures the file and its tables.
pub(in crate::doctor) async fn measure(connection: &mut SqliteConnection, data: &mut DoctorData) {
    data.database_bytes = bytes(connection).await.ok();
    let sql = "SELECT tbl_name, sum(pgsize) FROM dbstat JOIN sqlite_schema s ON s.name = dbstat.name GROUP BY 1 ORDER BY 2 DESC LIMIT 40";
    for row in sqlx::query(sql).persistent(false).fetch_all(&mut *connection).await.unwrap_or_default() {
        if let (Ok(name), Ok(bytes)) = (row.try_get(0), row.try_get(1)) {
            data.table_bytes.insert(name, bytes);
        }
    }
    for name in ["journal_mode", "synchronous", "page_size", "auto_vacuum", "encoding", "user_version"] {
        let sql = AssertSqlSafe(format!("SELECT CAST({name} AS text) FROM pragma_{name}"));
        if let Ok(value) = sqlx::query_scalar(sql).persistent(false).fetch_one(&mut *connection).await {
            data.settings.insert(name.to_owned(), value);
        }
    }
    let fingerprint = sqlx::query_scalar("SELECT fingerprint FROM rylie_database").persistent(false);
    data.fingerprint = fingerprint.fetch_optional(connection).await.ok().flatten();
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;

    #[tokio::test]
    async fn a_session_that_does_not_enforce_foreign_keys_is_critical() {
        for (enforced, found) in [(true, 0), (false, 1)] {
            let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(enforced);
            let mut connection = options.connect().await.unwrap();
            assert_eq!(foreign_keys(&mut connection).await.evidence.len(), found);
        }
    }
}
