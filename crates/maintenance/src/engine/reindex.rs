//! Building bloated indexes anew, beside their use.

mod bloat;

use serde::Serialize;
use sqlx::PgConnection;

use super::vacuum::refuse_stranger;
use crate::engine::{Engine, Session, run_postgres, run_sqlite};
use crate::error::{EngineFault, Error, Result};

/// What `REINDEX CONCURRENTLY` leaves behind where it fails or its server stops: invalid, and written to by every
/// writer all the same. One that is being built just now is invalid as well; its builder shows, or is hidden from this
/// login and counts as building.
const LEFT_OVER: &str = "SELECT c.relname::text, format('%I.%I', n.nspname, c.relname) \
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND n.nspname = 'public' \
       AND pg_has_role(c.relowner, 'USAGE') AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p \
         WHERE p.datid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND (p.relid IS NULL OR p.relid = i.indrelid)) ORDER BY c.relname";

/// What was rebuilt.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Reindexed {
    /// Names of the indexes; `main`, all of the file's, on SQLite.
    pub reindexed: Vec<String>,
    /// Invalid left-overs of earlier runs that failed, which were dropped.
    pub dropped: Vec<String>,
    /// Indexes that could not be rebuilt, as another session held their table; left to the next run.
    pub skipped: Vec<String>,
    /// Bytes given back.
    pub freed_bytes: i64,
}

/// Drops what failed runs left behind, and rebuilds each index of which more than half is air, or with `all` every one
/// that this login owns: one by one and `CONCURRENTLY`, so that reading and writing go on.
///
/// On SQLite a vacuum rebuilds indexes as well, so only `all` does something here.
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
    // A rebuild that was given up leaves its half behind.
    drop_left_overs(connection, &mut done).await?;
    Ok(done)
}

async fn drop_left_overs(connection: &mut PgConnection, done: &mut Reindexed) -> sqlx::Result<()> {
    let left_over: Vec<(String, String)> = sqlx::query_as(LEFT_OVER).fetch_all(&mut *connection).await?;
    for (name, quoted) in left_over {
        match run_postgres(connection, &format!("DROP INDEX CONCURRENTLY IF EXISTS {quoted}")).await {
            Ok(()) => done.dropped.push(name),
            Err(error) if is_held(&error) => {
                tracing::warn!(index = name, error = %EngineFault(error), "a left-over index stays for now");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waiting for the lock took too long, or would have been for ever.
fn is_held(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("55P03" | "40P01"))
}
