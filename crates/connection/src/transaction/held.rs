//! A connection of a pool inside a transaction: never given back while the transaction is open.

use sqlx::{AssertSqlSafe, Database, SqlSafeStr, SqlStr};
use sqlx_core::transaction::TransactionManager;
use tokio::runtime::Handle;

use crate::lender::Lent;
use crate::measures::UNITS;

/// A lent connection inside a transaction.
pub(super) struct Held<DB: Database> {
    /// `None` only when it is dropped.
    lent: Option<Lent<DB>>,
    open: bool,
    /// How it ended, or ends when it is dropped.
    outcome: &'static str,
}

impl<DB: Database> Held<DB> {
    /// A connection on which the batch failed half-way is closed, not reused.
    pub(super) async fn begin(lent: Lent<DB>, batch: String) -> Result<Self, sqlx::Error> {
        let mut beginning = Beginning(Some(lent));
        let begun = match beginning.0.as_mut() {
            Some(lent) => self::begin(lent, Some(AssertSqlSafe(batch).into_sql_str())).await,
            None => Err(sqlx::Error::WorkerCrashed),
        };
        match (begun, beginning.0.take()) {
            (Ok(()), Some(lent)) => Ok(Self { lent: Some(lent), open: true, outcome: "rolled_back" }),
            (begun, lent) => {
                if let Some(lent) = lent {
                    lent.end();
                }
                Err(begun.err().unwrap_or(sqlx::Error::WorkerCrashed))
            }
        }
    }

    pub(super) fn conn(&mut self) -> Result<&mut DB::Connection, sqlx::Error> {
        self.lent.as_mut().ok_or(sqlx::Error::WorkerCrashed)?.conn()
    }

    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.committing();
        DB::TransactionManager::commit(self.conn()?).await?;
        self.open = false;
        self.committed();
        Ok(())
    }

    /// Notes that the commit is on its way: what ends now, ends by it.
    pub(super) fn committing(&mut self) {
        self.outcome = "commit_failed";
    }

    /// Notes that what was done is durable.
    pub(super) fn committed(&mut self) {
        self.outcome = "committed";
    }
}

impl<DB: Database> Drop for Held<DB> {
    fn drop(&mut self) {
        metrics::counter!(UNITS, "outcome" => self.outcome).increment(1);
        let Some(lent) = self.lent.take() else { return };
        if self.open {
            off_the_callers_path(lent, roll_back);
        } else {
            lent.give_back();
        }
    }
}

/// A connection while `BEGIN` is on the wire. Its caller may be cancelled meanwhile; the driver would then put it back
/// into the pool inside an open transaction.
struct Beginning<DB: Database>(Option<Lent<DB>>);

impl<DB: Database> Drop for Beginning<DB> {
    fn drop(&mut self) {
        if let Some(lent) = self.0.take() {
            off_the_callers_path(lent, undo);
        }
    }
}

/// Without a runtime the connection ends, and what was under way on it ends with it.
fn off_the_callers_path<DB: Database, F>(lent: Lent<DB>, task: fn(Lent<DB>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(task(lent))),
        Err(_) => lent.cut(),
    }
}

async fn begin<DB: Database>(lent: &mut Lent<DB>, batch: Option<SqlStr>) -> Result<(), sqlx::Error> {
    DB::TransactionManager::begin(lent.conn()?, batch).await
}

async fn roll_back<DB: Database>(mut lent: Lent<DB>) {
    let rolled_back = match lent.conn() {
        Ok(conn) => DB::TransactionManager::rollback(conn).await,
        Err(error) => Err(error),
    };
    if rolled_back.is_ok() { lent.give_back() } else { lent.end() }
}

/// Ends a transaction of which the driver does not know whether it was begun: begun again, which changes nothing if it was,
/// it is one that the driver knows of.
async fn undo<DB: Database>(mut lent: Lent<DB>) {
    match begin(&mut lent, None).await {
        Ok(()) => roll_back(lent).await,
        Err(_) => lent.end(),
    }
}
