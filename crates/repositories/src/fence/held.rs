//! A connection of a pool inside a transaction: never given back while the transaction is open.

use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Database, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;

use crate::measures::UNITS;

/// A pooled connection inside a transaction.
pub(super) struct Held<DB: Database> {
    pub(super) conn: PoolConnection<DB>,
    open: bool,
    /// How it ended, or ends when it is dropped.
    outcome: &'static str,
}

impl<DB: Database> Held<DB> {
    /// A connection on which the batch failed half-way is closed, not reused.
    pub(super) async fn begin(conn: PoolConnection<DB>, batch: String) -> Result<Self, sqlx::Error> {
        let mut beginning = Beginning(Some(conn));
        let begun = match beginning.0.as_mut() {
            Some(conn) => DB::TransactionManager::begin(conn, Some(AssertSqlSafe(batch).into_sql_str())).await,
            None => Err(sqlx::Error::WorkerCrashed),
        };
        match (begun, beginning.0.take()) {
            (Ok(()), Some(conn)) => Ok(Self { conn, open: true, outcome: "rolled_back" }),
            (begun, conn) => {
                if let Some(mut conn) = conn {
                    conn.close_on_drop();
                }
                Err(begun.err().unwrap_or(sqlx::Error::WorkerCrashed))
            }
        }
    }

    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.committing();
        DB::TransactionManager::commit(&mut self.conn).await?;
        self.committed();
        Ok(())
    }

    /// Notes that the commit is on its way: what ends now, ends by it.
    pub(super) fn committing(&mut self) {
        self.outcome = "commit_failed";
    }

    /// Notes that nothing is left to be rolled back.
    pub(super) fn committed(&mut self) {
        self.outcome = "committed";
        self.open = false;
    }
}

impl<DB: Database> Drop for Held<DB> {
    fn drop(&mut self) {
        if self.open {
            // Queued here, sent when the connection goes back to the pool, off the caller's path.
            DB::TransactionManager::start_rollback(&mut self.conn);
        }
        metrics::counter!(UNITS, "outcome" => self.outcome).increment(1);
    }
}

/// A connection while `BEGIN` is on the wire. Its caller may be cancelled meanwhile; the driver would then put it back
/// into the pool inside an open transaction.
struct Beginning<DB: Database>(Option<PoolConnection<DB>>);

impl<DB: Database> Drop for Beginning<DB> {
    fn drop(&mut self) {
        let Some(conn) = self.0.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(undo(conn))),
            Err(_) => drop(conn.detach()),
        }
    }
}

/// Ends a transaction of which the driver does not know whether it was begun: begun again, which changes nothing if it was,
/// it is one that the driver knows of.
async fn undo<DB: Database>(mut conn: PoolConnection<DB>) {
    let begun = DB::TransactionManager::begin(&mut conn, None).await;
    if begun.is_err() || DB::TransactionManager::rollback(&mut conn).await.is_err() {
        conn.close_on_drop();
    }
}
