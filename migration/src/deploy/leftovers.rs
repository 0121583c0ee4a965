//! Repairs indexes that an interrupted `CONCURRENTLY` left invalid: no query uses them, but every write maintains them.

use crate::connection::{Connection, LOCK_TIMEOUT};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::step::Target;

/// Skips tables on which another session holds the lock of an index build, and tables that this login may not change.
/// Drops the copies that `REINDEX CONCURRENTLY` left, and rebuilds other indexes.
const FIND: &str = "SELECT CASE WHEN c.relname ~ '_cc(new|old)[0-9]*$' THEN 'DROP INDEX CONCURRENTLY IF EXISTS ' \
     ELSE 'REINDEX INDEX CONCURRENTLY ' END || quote_ident(c.relname) \
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid \
     WHERE c.relnamespace = 'public'::regnamespace AND t.relkind = 'r' AND NOT i.indisvalid AND pg_has_role(current_user, t.relowner, 'USAGE') \
     AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.relation = i.indrelid AND l.pid <> pg_backend_pid() \
     AND l.mode = 'ShareUpdateExclusiveLock') ORDER BY 1";

/// Returns whether there are invalid indexes.
pub(crate) async fn are_there(connection: &mut Connection) -> Result<bool> {
    Ok(!statements(connection).await?.is_empty())
}

/// Drops or rebuilds invalid indexes, with the lock timeout of an index build. Call it under the migration lock.
pub(crate) async fn fix(connection: &mut Connection, options: &Options) -> Result<()> {
    let failed = Error::doing("rebuilding an invalid index; `-v` shows the blocking process");
    for statement in statements(connection).await? {
        tracing::info!(statement, "an index was left invalid");
        connection.set_lock_timeout(options.patience).await.map_err(&failed)?;
        connection.execute(&statement).await.map_err(&failed)?;
        connection.set_lock_timeout(LOCK_TIMEOUT).await.map_err(&failed)?;
    }
    Ok(())
}

async fn statements(connection: &mut Connection) -> Result<Vec<String>> {
    connection.list_postgres(FIND, "looking for invalid indexes").await
}
