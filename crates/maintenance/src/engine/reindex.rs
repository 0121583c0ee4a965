//! Rebuilding bloated indexes concurrently.

mod bloat;

use rylie_driver::code_of;
use serde::Serialize;
use sqlx::PgConnection;

use super::vacuum::refuse_stranger;
use crate::engine::{Engine, Session, run_postgres, run_sqlite};
use crate::error::{EngineFault, Error, Result};

/// Selects leftovers of `REINDEX CONCURRENTLY` that failed or whose server stopped. They are invalid, but every write
/// still updates them. An index that is being built is invalid as well: its builder is visible in the statistics. A
/// builder that is hidden from this login counts as building.
const LEFT_OVER: &str = "SELECT c.relname::text, format('%I.%I', n.nspname, c.relname) \
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND n.nspname = 'public' \
       AND pg_has_role(c.relowner, 'USAGE') AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p \
         WHERE p.datid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND (p.relid IS NULL OR p.relid = i.indrelid)) ORDER BY c.relname";

/// The outcome of rebuilding.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Reindexed {
    /// Names of the indexes; on SQLite `main` for all of the file.
    pub reindexed: Vec<String>,
    /// Invalid leftovers of earlier failed runs, which were dropped.
    pub dropped: Vec<String>,
    /// Indexes that could not be rebuilt because another session locked their table; left to the next run.
    pub skipped: Vec<String>,
    /// Bytes freed.
    pub freed_bytes: i64,
}

/// Drops leftovers of failed runs and rebuilds each index of which more than half is unused, or with `all` every index
/// that this login owns. Rebuilds them one by one and `CONCURRENTLY`, so that readers and writers continue.
///
/// On SQLite a vacuum also rebuilds indexes, so only `all` has an effect here.
///
/// Fails with [`Error::NotOwner`] on PostgreSQL if this login does not own the platform's tables.
pub async fn reindex(engine: &Engine, all: bool) -> Result<Reindexed> {
    match engine.connect().await? {
        Session::Postgres(mut connection, watch) => {
            let work = async {
                refuse_stranger(&mut connection).await?;
                in_postgres(&mut connection, all).await.map_err(Error::engine("rebuilding indexes"))
            };
            watch.over(work).await
        }
        Session::Sqlite(mut connection) if all => {
            run_sqlite(&mut connection, "REINDEX").await.map_err(Error::engine("rebuilding indexes"))?;
            Ok(Reindexed { reindexed: vec!["main".to_owned()], ..Reindexed::default() })
        }
        Session::Sqlite(_) => Ok(Reindexed::default()),
    }
}

async fn in_postgres(connection: &mut PgConnection, all: bool) -> sqlx::Result<Reindexed> {
    let mut done = Reindexed::default();
    drop_left_overs(connection, &mut done).await?;
    for index in bloat::indexes(connection, all).await? {
        match run_postgres(connection, &format!("REINDEX INDEX CONCURRENTLY {}", index.quoted)).await {
            Ok(()) => {
                let bytes: i64 = sqlx::query_scalar("SELECT pg_relation_size(to_regclass($1))")
                    .bind(&index.quoted)
                    .fetch_one(&mut *connection)
                    .await?;
                done.freed_bytes += (index.bytes - bytes).max(0);
                done.reindexed.push(index.name);
            }
            Err(error) if is_held(&error) => done.skipped.push(index.name),
            Err(error) => return Err(error),
        }
    }
    // A cancelled rebuild leaves an incomplete index.
    drop_left_overs(connection, &mut done).await?;
    Ok(done)
}

async fn drop_left_overs(connection: &mut PgConnection, done: &mut Reindexed) -> sqlx::Result<()> {
    let left_over: Vec<(String, String)> = sqlx::query_as(LEFT_OVER).fetch_all(&mut *connection).await?;
    for (name, quoted) in left_over {
        match run_postgres(connection, &format!("DROP INDEX CONCURRENTLY IF EXISTS {quoted}")).await {
            Ok(()) => done.dropped.push(name),
            Err(error) if is_held(&error) => {
                tracing::warn!(index = name, error = %EngineFault(error), "a leftover index could not be dropped yet");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns whether a lock timeout or a deadlock ended the statement.
fn is_held(error: &sqlx::Error) -> bool {
    matches!(code_of(error).as_deref(), Some("55P03" | "40P01"))
}
