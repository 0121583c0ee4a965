//! Updating the planner's statistics.

use serde::Serialize;
use sqlx::{PgConnection, SqliteConnection};

use super::vacuum::refuse_stranger;
use crate::engine::{Engine, Session, run_postgres, run_sqlite};
use crate::error::{Error, Result};

/// Selects tables of this login of which a tenth has changed since the last ANALYZE, or that were never analyzed.
const TABLES: &str = "SELECT c.relname::text, format('%I.%I', n.nspname, c.relname) \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid \
     WHERE c.relkind IN ('r', 'm') AND n.nspname = 'public' AND pg_has_role(c.relowner, 'USAGE') AND ($1 \
       OR coalesce(s.n_mod_since_analyze, 0) > 50 + 0.1 * greatest(c.reltuples, 0) \
       OR c.reltuples < 0 AND pg_relation_size(c.oid) > 0) \
     ORDER BY c.relname";

/// The outcome of an analysis.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Analyzed {
    /// Names of the tables.
    pub analyzed: Vec<String>,
}

/// Analyzes changed tables, or with `all` every table that this login owns. On PostgreSQL readers and writers continue,
/// and a table that another session locks is left to the next run. On SQLite the engine chooses the tables by
/// `PRAGMA optimize`, unless `all` is set.
///
/// Fails with [`Error::NotOwner`] on PostgreSQL if this login does not own the platform's tables.
pub async fn analyze(engine: &Engine, all: bool) -> Result<Analyzed> {
    let analyzed = match engine.connect().await? {
        Session::Postgres(mut connection, watch) => {
            let work = async {
                refuse_stranger(&mut connection).await?;
                in_postgres(&mut connection, all).await.map_err(Error::engine("analyzing"))
            };
            watch.over(work).await
        }
        Session::Sqlite(mut connection) => in_sqlite(&mut connection, all).await.map_err(Error::engine("analyzing")),
    };
    analyzed.map(|analyzed| Analyzed { analyzed })
}

async fn in_postgres(connection: &mut PgConnection, all: bool) -> sqlx::Result<Vec<String>> {
    let mut analyzed = Vec::new();
    let tables: Vec<(String, String)> = sqlx::query_as(TABLES).bind(all).fetch_all(&mut *connection).await?;
    for (name, quoted) in tables {
        run_postgres(connection, &format!("ANALYZE (SKIP_LOCKED) {quoted}")).await?;
        analyzed.push(name);
    }
    Ok(analyzed)
}

async fn in_sqlite(connection: &mut SqliteConnection, all: bool) -> sqlx::Result<Vec<String>> {
    // 0x10002 checks every table, not only those that this session has used.
    run_sqlite(connection, if all { "ANALYZE" } else { "PRAGMA optimize = 0x10002" }).await?;
    let reported = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'";
    if sqlx::query_scalar::<_, i64>(reported).fetch_one(&mut *connection).await? == 0 {
        return Ok(Vec::new());
    }
    sqlx::query_scalar("SELECT DISTINCT tbl FROM sqlite_stat1 ORDER BY tbl").fetch_all(connection).await
}
