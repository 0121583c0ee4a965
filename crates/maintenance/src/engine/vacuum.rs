//! Reclaiming the space of dead rows, and updating the planner's statistics.

use serde::Serialize;
use sqlx::{PgConnection, SqliteConnection};

use crate::engine::{Engine, Session, pragma, run_postgres, run_sqlite};
use crate::error::{Error, Result};

/// Selects tables of this login with dead rows, with rows that no vacuum has seen, or with old transaction ids. The
/// thresholds are half those of the server's autovacuum, which continues to run.
const TABLES: &str = "SELECT c.oid::bigint, c.relname::text, format('%I.%I', n.nspname, c.relname), \
       coalesce(pg_stat_get_vacuum_count(c.oid), 0) \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid \
     WHERE c.relkind IN ('r', 'm') AND n.nspname = 'public' AND pg_has_role(c.relowner, 'USAGE') AND ($1 \
       OR coalesce(s.n_dead_tup, 0) > 50 + 0.1 * greatest(c.reltuples, 0) \
       OR coalesce(s.n_ins_since_vacuum, 0) > 1000 + 0.2 * greatest(c.reltuples, 0) \
       OR age(c.relfrozenxid) > 150000000) \
     ORDER BY coalesce(s.n_dead_tup, 0) DESC, c.relname";

/// Whether this login owns the platform's tables, regardless of other tables that it owns.
const OWNED: &str = "SELECT EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass('public.\"User\"') \
     AND pg_has_role(c.relowner, 'USAGE'))";

/// The outcome of a vacuum.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Vacuumed {
    /// Names of the tables; on SQLite `main` for the whole file.
    pub vacuumed: Vec<String>,
    /// Tables that another session locked; left to the next run.
    pub skipped: Vec<String>,
    /// Bytes returned to the file system. PostgreSQL mostly keeps the space for new rows.
    pub freed_bytes: i64,
}

/// Vacuums and analyzes tables that need it, or with `all` every table that this login owns.
///
/// On PostgreSQL readers and writers continue, and a locked table is skipped without waiting. On SQLite the file is
/// rewritten if a tenth of it is free, and writers wait for that. The write-ahead log is merged into the file in any
/// case.
///
/// Fails with [`Error::NotOwner`] on PostgreSQL if this login does not own the platform's tables.
pub async fn vacuum(engine: &Engine, all: bool) -> Result<Vacuumed> {
    match engine.connect().await? {
        Session::Postgres(mut connection, watch) => {
            let work = async {
                refuse_stranger(&mut connection).await?;
                in_postgres(&mut connection, all).await.map_err(Error::engine("vacuuming"))
            };
            watch.over(work).await
        }
        Session::Sqlite(mut connection) => in_sqlite(&mut connection, all).await.map_err(Error::engine("vacuuming")),
    }
}

/// Fails if this login does not own the tables. PostgreSQL would only warn and do nothing.
pub(crate) async fn refuse_stranger(connection: &mut PgConnection) -> Result<()> {
    let owns: bool =
        sqlx::query_scalar(OWNED).fetch_one(connection).await.map_err(Error::engine("checking the tables' owner"))?;
    if owns { Ok(()) } else { Err(Error::NotOwner) }
}

async fn in_postgres(connection: &mut PgConnection, all: bool) -> sqlx::Result<Vacuumed> {
    let mut done = Vacuumed::default();
    let before = database_bytes(connection).await?;
    let tables: Vec<(i64, String, String, i64)> = sqlx::query_as(TABLES).bind(all).fetch_all(&mut *connection).await?;
    for (oid, name, quoted, count) in tables {
        run_postgres(connection, &format!("VACUUM (ANALYZE, SKIP_LOCKED) {quoted}")).await?;
        let now: i64 = sqlx::query_scalar("SELECT pg_stat_get_vacuum_count($1::bigint::oid)")
            .bind(oid)
            .fetch_one(&mut *connection)
            .await?;
        if now > count { done.vacuumed.push(name) } else { done.skipped.push(name) }
    }
    done.freed_bytes = (before - database_bytes(connection).await?).max(0);
    Ok(done)
}

async fn database_bytes(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(connection).await
}

async fn in_sqlite(connection: &mut SqliteConnection, all: bool) -> sqlx::Result<Vacuumed> {
    let mut done = Vacuumed::default();
    let (pages, size) = (pragma(connection, "page_count").await?, pragma(connection, "page_size").await?);
    if all || pragma(connection, "freelist_count").await? * 10 > pages {
        run_sqlite(connection, "VACUUM").await?;
        done.vacuumed.push("main".to_owned());
        done.freed_bytes = ((pages - pragma(connection, "page_count").await?) * size).max(0);
    }
    run_sqlite(connection, "PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)").await?;
    Ok(done)
}
