//! Indexes that an interrupted `CONCURRENTLY` left behind: not used by any query, and written by every one.

use crate::connection::Connection;
use crate::deploy::Options;
use crate::error::{Error, Result};
use crate::step::Target;

/// Not those of tables on which somebody else is at work right now, which may be building them; nor of tables that this
/// login may not change. `REINDEX CONCURRENTLY` leaves copies, which are dropped; others are made anew.
const FIND: &str = "SELECT CASE WHEN c.relname ~ '_cc(new|old)[0-9]*$' THEN 'DROP INDEX CONCURRENTLY IF EXISTS ' \
     ELSE 'REINDEX INDEX CONCURRENTLY ' END || quote_ident(c.relname) \
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid \
     WHERE c.relnamespace = 'public'::regnamespace AND t.relkind = 'r' AND NOT i.indisvalid AND pg_has_role(current_user, t.relowner, 'USAGE') \
     AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.relation = i.indrelid AND l.pid <> pg_backend_pid() \
     AND l.mode = 'ShareUpdateExclusiveLock') ORDER BY 1";

/// Whether there are any.
pub(crate) async fn are_there(connection: &mut Connection) -> Result<bool> {
    Ok(!statements(connection).await?.is_empty())
}

/// Drops or rebuilds them, waiting as patiently as the building of an index does. Under the migration lock.
pub(crate) async fn mend(connection: &mut Connection, options: &Options) -> Result<()> {
    let failed = Error::doing("making an invalid index anew; `-v` names what is in the way");
    for statement in statements(connection).await? {
        tracing::info!(statement, "an index was left invalid");
        let patience = format!("SET lock_timeout = '{}ms'", options.patience.as_millis());
        connection.execute(&patience).await.map_err(&failed)?;
        connection.execute(&statement).await.map_err(&failed)?;
    }
    Ok(())
}

async fn statements(connection: &mut Connection) -> Result<Vec<String>> {
    connection.list_postgres(FIND, "looking for invalid indexes").await
}
