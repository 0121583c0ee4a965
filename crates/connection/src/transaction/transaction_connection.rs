//! A leased connection inside a transaction: never returned while the transaction is open.

use std::pin::Pin;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Database, PgConnection, Postgres, SqlSafeStr, SqlStr, Sqlite};
use sqlx_core::transaction::TransactionManager;
use tokio::runtime::Handle;

use crate::bounds::{answered, is_silence};
use crate::cache::LeasedConnection;
use crate::error::{ends_connection, is_read_only_server};
use crate::measures::UNITS;

/// A leased connection inside a transaction.
pub(super) struct TransactionConnection<DB: Database> {
    /// `None` only during drop.
    leased: Option<LeasedConnection<DB>>,
    open: bool,
    /// The longest wait for an answer.
    within: Option<Duration>,
    /// The failure that made the connection unusable.
    loss: Option<Loss>,
    /// The outcome, or the outcome if it is dropped now.
    outcome: &'static str,
    /// Ends the transaction by its own statement, if the driver does not know that it has begun.
    end: Option<End<DB>>,
}

/// Runs `COMMIT` or `ROLLBACK`.
pub(super) type End<DB> =
    for<'c> fn(&'c mut <DB as Database>::Connection, &'static str) -> Pin<Box<dyn Future<Output = Ended> + Send + 'c>>;

pub(super) type Ended = Result<(), sqlx::Error>;

#[derive(Clone, Copy)]
enum Loss {
    OfOne,
    /// It stopped answering, or its server became read-only; others may be affected, too.
    OfAll,
}

/// The [`End`] on PostgreSQL. The driver does not know of the transaction, so its own would do nothing.
pub(super) fn end<'c>(
    conn: &'c mut PgConnection,
    sql: &'static str,
) -> Pin<Box<dyn Future<Output = Ended> + Send + 'c>> {
    Box::pin(async move { sqlx::raw_sql(sql).execute(conn).await.map(drop) })
}

impl<DB: Database> TransactionConnection<DB> {
    /// Begins a transaction. `limit` is the unit's own time limit for statements. If the batch fails halfway, the
    /// connection is closed, not reused. With `end` it is kept if the server only refused a statement: `end` then rolls
    /// back in the background.
    pub(super) async fn begin(
        leased: LeasedConnection<DB>,
        batch: String,
        limit: Option<Duration>,
        end: Option<End<DB>>,
    ) -> Result<Self, sqlx::Error> {
        let (prompt, within) = (leased.bounds().prompt(), leased.bounds().statement(limit));
        let mut beginning = Beginning(Some(leased));
        let begun = match beginning.0.as_mut() {
            Some(leased) => {
                let begin = self::begin(leased, Some(AssertSqlSafe(batch).into_sql_str()));
                answered(prompt, begin).await.and_then(|begun| begun)
            }
            None => Err(sqlx::Error::WorkerCrashed),
        };
        match (begun, beginning.0.take()) {
            (Ok(()), Some(leased)) => {
                Ok(Self { leased: Some(leased), open: true, within, loss: None, outcome: "rolled_back", end: None })
            }
            (begun, leased) => {
                let error = begun.err().unwrap_or(sqlx::Error::WorkerCrashed);
                let is_refusal = matches!(error, sqlx::Error::Database(_)) && !ends_connection(&error);
                match (leased, end.filter(|_| is_refusal)) {
                    (Some(leased), Some(end)) => {
                        off_the_callers_path(leased, move |leased| roll_back(leased, within, Some(end)));
                    }
                    (Some(leased), None) => leased.end_after(&error),
                    (None, _) => {}
                }
                Err(error)
            }
        }
    }

    /// Returns the connection of a transaction that has begun without the driver's knowledge. `end` ends it.
    pub(super) fn begun(leased: LeasedConnection<DB>, within: Option<Duration>, end: End<DB>) -> Self {
        Self { leased: Some(leased), open: true, within, loss: None, outcome: "rolled_back", end: Some(end) }
    }

    pub(super) fn conn(&mut self) -> Result<&mut DB::Connection, sqlx::Error> {
        self.leased.as_mut().ok_or(sqlx::Error::WorkerCrashed)?.conn()
    }

    /// The longest wait for an answer on the connection.
    pub(super) fn within(&self) -> Option<Duration> {
        self.within
    }

    /// Records an error that may have ended the connection.
    pub(super) fn note(&mut self, error: &sqlx::Error) {
        if is_silence(error) || is_read_only_server(error) {
            self.loss = Some(Loss::OfAll);
        } else if ends_connection(error) {
            self.loss = self.loss.or(Some(Loss::OfOne));
        }
    }

    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.committing();
        let (within, end) = (self.within, self.end);
        let conn = self.conn()?;
        let done = match end {
            Some(end) => answered(within, end(conn, "COMMIT")).await,
            None => answered(within, DB::TransactionManager::commit(conn)).await,
        };
        let done = done.and_then(|done| done);
        if let Err(error) = done {
            self.note(&error);
            return Err(error);
        }
        self.open = false;
        self.committed();
        Ok(())
    }

    /// Rolls back a transaction that changed nothing, and waits for it. On an error the rollback runs in the background.
    pub(super) async fn release(mut self) {
        let within = self.within;
        let Ok(conn) = self.conn() else { return };
        match answered(within, DB::TransactionManager::rollback(conn)).await.and_then(|done| done) {
            Ok(()) => self.open = false,
            Err(error) => self.note(&error),
        }
    }

    /// Records that the commit was sent: an error from now on is an error of the commit.
    pub(super) fn committing(&mut self) {
        self.outcome = "commit_failed";
    }

    /// Records that the changes are durable.
    pub(super) fn committed(&mut self) {
        self.outcome = "committed";
    }
}

impl TransactionConnection<Postgres> {
    /// Sends a text that commits the transaction and begins the next one. `limit` is the next unit's own time limit for
    /// statements.
    pub(super) async fn commit_and_begin(&mut self, text: String, limit: Option<Duration>) -> Result<(), sqlx::Error> {
        let begun = std::mem::replace(&mut self.outcome, "commit_failed");
        let within = self.within;
        let done = answered(within, sqlx::raw_sql(AssertSqlSafe(text)).execute(self.conn()?)).await;
        if let Err(error) = done.and_then(|done| done) {
            self.note(&error);
            return Err(error);
        }
        metrics::counter!(UNITS, "outcome" => "committed").increment(1);
        self.outcome = begun;
        self.within = self.leased.as_ref().and_then(|leased| leased.bounds().statement(limit));
        Ok(())
    }
}

impl<DB: Database> Drop for TransactionConnection<DB> {
    fn drop(&mut self) {
        metrics::counter!(UNITS, "outcome" => self.outcome).increment(1);
        let Some(mut leased) = self.leased.take() else { return };
        if self.open
            && DB::NAME == Sqlite::NAME
            && let Ok(conn) = leased.conn()
        {
            // The connection's own thread releases the write lock, even while this runtime runs nothing else.
            DB::TransactionManager::start_rollback(conn);
        }
        let (within, end) = (self.within, self.end);
        match self.loss {
            // The server rolls back when it notices the closed connection, or at its own idle limit.
            Some(Loss::OfOne) => leased.cut(),
            Some(Loss::OfAll) => leased.end_with_others(),
            None if self.open => off_the_callers_path(leased, move |leased| roll_back(leased, within, end)),
            None => leased.give_back(),
        }
    }
}

/// A connection during `BEGIN`. If the caller is cancelled, the driver would return it to the pool inside an open
/// transaction.
struct Beginning<DB: Database>(Option<LeasedConnection<DB>>);

impl<DB: Database> Drop for Beginning<DB> {
    fn drop(&mut self) {
        if let Some(leased) = self.0.take() {
            off_the_callers_path(leased, undo);
        }
    }
}

/// Runs the task in the background. Without a runtime it closes the connection, which ends any running work.
fn off_the_callers_path<DB: Database, F>(leased: LeasedConnection<DB>, task: impl FnOnce(LeasedConnection<DB>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(task(leased))),
        Err(_) => leased.cut(),
    }
}

async fn begin<DB: Database>(leased: &mut LeasedConnection<DB>, batch: Option<SqlStr>) -> Result<(), sqlx::Error> {
    DB::TransactionManager::begin(leased.conn()?, batch).await
}

/// Rolls back. Waits for running work, at most as long as for a statement, because the connection occupies a slot of
/// the pool.
async fn roll_back<DB: Database>(mut leased: LeasedConnection<DB>, within: Option<Duration>, end: Option<End<DB>>) {
    let rolled_back = match (leased.conn(), end) {
        (Ok(conn), Some(end)) => answered(within, end(conn, "ROLLBACK")).await.and_then(|done| done),
        (Ok(conn), None) => answered(within, DB::TransactionManager::rollback(conn)).await.and_then(|done| done),
        (Err(error), _) => Err(error),
    };
    match rolled_back {
        Ok(()) => leased.give_back(),
        Err(error) => leased.end_after(&error),
    }
}

/// Ends a transaction that may or may not have begun. A second `BEGIN` changes nothing if it had, and makes the driver
/// aware of it.
async fn undo<DB: Database>(mut leased: LeasedConnection<DB>) {
    let within = leased.bounds().statement(None);
    match answered(within, begin(&mut leased, None)).await.and_then(|begun| begun) {
        Ok(()) => roll_back(leased, within, None).await,
        Err(error) => leased.end_after(&error),
    }
}
