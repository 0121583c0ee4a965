//! A connection of a pool inside a transaction: never given back while the transaction is open.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Database, SqlSafeStr, SqlStr};
use sqlx_core::transaction::TransactionManager;
use tokio::runtime::Handle;

use crate::bounds::{answered, is_silence};
use crate::error::{ends_connection, is_read_only_server};
use crate::lender::Lent;
use crate::measures::UNITS;

/// A lent connection inside a transaction.
pub(super) struct Held<DB: Database> {
    /// `None` only when it is dropped.
    lent: Option<Lent<DB>>,
    open: bool,
    /// The longest wait for an answer.
    within: Option<Duration>,
    /// What happened to the connection; nobody may use it any more.
    loss: Option<Loss>,
    /// How it ended, or ends when it is dropped.
    outcome: &'static str,
}

#[derive(Clone, Copy)]
enum Loss {
    OfOne,
    /// It fell silent, or leads to a server that takes no writes: others may, too.
    OfAll,
}

impl<DB: Database> Held<DB> {
    /// `limit` is the time limit of the unit's statements, if it has one of its own. A connection on which the batch failed half-way is closed, not reused.
    pub(super) async fn begin(lent: Lent<DB>, batch: String, limit: Option<Duration>) -> Result<Self, sqlx::Error> {
        let (prompt, within) = (lent.bounds().prompt(), lent.bounds().statement(limit));
        let mut beginning = Beginning(Some(lent));
        let begun = match beginning.0.as_mut() {
            Some(lent) => {
                let begin = self::begin(lent, Some(AssertSqlSafe(batch).into_sql_str()));
                answered(prompt, begin).await.and_then(|begun| begun)
            }
            None => Err(sqlx::Error::WorkerCrashed),
        };
        match (begun, beginning.0.take()) {
            (Ok(()), Some(lent)) => {
                Ok(Self { lent: Some(lent), open: true, within, loss: None, outcome: "rolled_back" })
            }
            (begun, lent) => {
                let error = begun.err().unwrap_or(sqlx::Error::WorkerCrashed);
                if let Some(lent) = lent {
                    lent.end_after(&error);
                }
                Err(error)
            }
        }
    }

    pub(super) fn conn(&mut self) -> Result<&mut DB::Connection, sqlx::Error> {
        self.lent.as_mut().ok_or(sqlx::Error::WorkerCrashed)?.conn()
    }

    /// The longest wait for an answer on the connection.
    pub(super) fn within(&self) -> Option<Duration> {
        self.within
    }

    /// Looks at an error on the connection, which may be the end of it.
    pub(super) fn note(&mut self, error: &sqlx::Error) {
        if is_silence(error) || is_read_only_server(error) {
            self.loss = Some(Loss::OfAll);
        } else if ends_connection(error) {
            self.loss = self.loss.or(Some(Loss::OfOne));
        }
    }

    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.committing();
        let within = self.within;
        let done = answered(within, DB::TransactionManager::commit(self.conn()?)).await.and_then(|done| done);
        if let Err(error) = done {
            self.note(&error);
            return Err(error);
        }
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
        let within = self.within;
        match self.loss {
            // The server rolls back when it notices, or when its own limit for a pause is over.
            Some(Loss::OfOne) => lent.cut(),
            Some(Loss::OfAll) => lent.end_with_others(),
            None if self.open => off_the_callers_path(lent, move |lent| roll_back(lent, within)),
            None => lent.give_back(),
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
fn off_the_callers_path<DB: Database, F>(lent: Lent<DB>, task: impl FnOnce(Lent<DB>) -> F)
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

/// Waits for what is under way, and no longer than for a statement: the connection's place in the pool is taken meanwhile.
async fn roll_back<DB: Database>(mut lent: Lent<DB>, within: Option<Duration>) {
    let rolled_back = match lent.conn() {
        Ok(conn) => answered(within, DB::TransactionManager::rollback(conn)).await.and_then(|done| done),
        Err(error) => Err(error),
    };
    match rolled_back {
        Ok(()) => lent.give_back(),
        Err(error) => lent.end_after(&error),
    }
}

/// Ends a transaction of which the driver does not know whether it was begun: begun again, which changes nothing if it was,
/// it is one that the driver knows of.
async fn undo<DB: Database>(mut lent: Lent<DB>) {
    let within = lent.bounds().statement(None);
    match answered(within, begin(&mut lent, None)).await.and_then(|begun| begun) {
        Ok(()) => roll_back(lent, within).await,
        Err(error) => lent.end_after(&error),
    }
}
