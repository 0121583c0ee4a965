//! A run on SQLite.

use std::time::Duration;

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection};

use super::Run;
use crate::doctor::check::{CheckSpec, Look, Need};
use crate::doctor::report::{Outcome, Verdict};
use crate::doctor::session::placeholders::{fill, wrapped};
use crate::doctor::session::{outcome, reason};
use crate::doctor::sqlite as checks;
use crate::engine::Engine;

/// Maximum time of one check on a file.
const CHECK: Duration = Duration::from_secs(3);

/// The same in a deep run.
const DEEP: Duration = Duration::from_hours(1);

const TABLES: &str = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')";

pub(super) async fn run(engine: &Engine, run: &mut Run<'_>) -> Result<(), String> {
    let file = engine.sqlite_file();
    if let Some(file) = file.as_deref().filter(|file| !file.exists()) {
        return Err(format!("there is no file {}", file.display()));
    }
    let mut connection = open(engine).await?;
    let version = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut connection).await;
    run.server = format!("SQLite {}", version.unwrap_or_else(|_: sqlx::Error| "unknown".to_owned()));
    let tables: Result<Vec<String>, _> = sqlx::query_scalar(TABLES).fetch_all(&mut connection).await;
    let tables = tables.map_err(|error| {
        let reason = reason(&error);
        if checks::is_damage(&error) {
            let found = Outcome::found(Verdict::Critical, "file", reason.clone());
            run.outcomes.insert("sqlite.integrity", found);
        }
        reason
    })?;
    for spec in run.open(true) {
        let missing = spec.needs.iter().find_map(|need| match need {
            Need::Table(name) if !tables.iter().any(|table| table == name) => Some(*name),
            _ => None,
        });
        let outcome = match (run.out_of_time(), missing) {
            (Some(outcome), _) => outcome,
            (None, Some(table)) => {
                Outcome::not_checked(format!("there is no table {table}; run `rylie migrate deploy`"))
            }
            (None, None) => {
                let looked = tokio::time::timeout(
                    if run.options.deep { DEEP } else { CHECK },
                    look(&mut connection, spec, run, file.as_deref()),
                )
                .await;
                match looked {
                    Ok(Some(outcome)) => outcome,
                    Ok(None) => continue,
                    Err(_) => {
                        // The session may still be at work on the statement.
                        connection = open(engine).await?;
                        Outcome::not_checked(
                            "it took longer than 3 s; `rylie maintain run --now integrity` has no limit",
                        )
                    }
                }
            }
        };
        run.outcomes.insert(spec.id, outcome);
    }
    checks::measure(&mut connection, &mut run.data).await;
    let _ = connection.close().await;
    Ok(())
}

async fn open(engine: &Engine) -> Result<SqliteConnection, String> {
    let options = engine.sqlite_options().ok_or("this is no SQLite database")?;
    let mut connection = options.connect().await.map_err(|error| reason(&error))?;
    sqlx::raw_sql("PRAGMA query_only = ON").execute(&mut connection).await.map_err(|error| reason(&error))?;
    Ok(connection)
}

async fn look(
    connection: &mut SqliteConnection,
    spec: &CheckSpec,
    run: &Run<'_>,
    file: Option<&std::path::Path>,
) -> Option<Outcome> {
    let sql = match spec.look {
        Look::Sqlite(sql) | Look::Both(sql) | Look::Each(_, sql) => sql,
        Look::SqliteCode => {
            return Some(checks::by_code_of(connection, spec.id, &run.limit(spec.id), file, run.options.deep).await);
        }
        _ => return None,
    };
    let sql = wrapped(&fill(sql, run.facts, &run.limit(spec.id), true));
    let rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_all(connection).await;
    Some(match rows {
        Ok(rows) => outcome(rows.iter().map(|row| std::array::from_fn(|column| row.try_get(column).ok().flatten()))),
        Err(error) => Outcome::not_checked(reason(&error)),
    })
}
