//! A transaction that begins with its first statement.
//!
//! The driver has no pipelining: it sends `BEGIN` and a prepared statement one after the other, and waits for both
//! answers. One message of the simple protocol may contain both, with the values in its text. So a statement whose
//! values may stand in a text begins the transaction in its own round trip; see [`in_text`](super::in_text).

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sea_orm::{DbErr, QueryResult, Statement};
use sqlx::Postgres;
use sqlx::postgres::PgRow;
use tracing::Instrument;

use super::in_text::Text;
use super::statements::query_error;
use super::storable::refuse_unstorable;
use super::transaction_connection::{TransactionConnection, end};
use super::{EngineConnection, Transaction};
use crate::bounds::answered;
use crate::cache::LeasedConnection;
use crate::error::{BROKEN, ends_connection, is_read_only_server};

/// A leased connection on which a transaction will begin.
pub(crate) struct Deferred {
    /// `None` while a begin runs.
    leased: Option<LeasedConnection<Postgres>>,
    lessor: Box<dyn Lessor>,
    batch: Batch,
    limit: Option<Duration>,
}

/// The statements before those of a unit, in one text.
pub(crate) struct Batch {
    /// Begins a transaction.
    pub(crate) begin: &'static str,
    /// Assumes the database role and sets limits; each statement follows a semicolon.
    pub(crate) assume: String,
    /// How many rows the answer has.
    pub(crate) rows: usize,
    /// Whether statements may be prepared on the connection.
    pub(crate) prepares: bool,
}

impl Batch {
    /// Returns the text that begins a unit.
    pub(crate) fn text(&self) -> String {
        [self.begin, &self.assume].concat()
    }
}

/// The pool that leased the connection.
pub(crate) trait Lessor: Send + Sync {
    /// Returns another connection for one that died while it was idle; `None` if it may not be replaced. `waited` says
    /// that a silent one has used the whole limit of a statement.
    fn replace<'a>(&'a mut self, error: &'a sqlx::Error, waited: bool) -> Replacing<'a>;

    /// Counts a unit that has begun.
    fn begun(&self);
}

pub(crate) type Replacing<'a> = Pin<Box<dyn Future<Output = Option<LeasedConnection<Postgres>>> + Send + 'a>>;

type Begun<T> = Result<(TransactionConnection<Postgres>, T), sqlx::Error>;

impl Deferred {
    pub(crate) fn new(
        lessor: Box<dyn Lessor>,
        leased: LeasedConnection<Postgres>,
        batch: Batch,
        limit: Option<Duration>,
    ) -> Self {
        Self { leased: Some(leased), lessor, batch, limit }
    }

    /// Begins; one round trip.
    async fn begin(mut self) -> Begun<()> {
        loop {
            let leased = self.leased.take().ok_or(sqlx::Error::WorkerCrashed)?;
            match TransactionConnection::begin(leased, self.batch.text(), self.limit, Some(end)).await {
                Ok(held) => {
                    self.lessor.begun();
                    return Ok((held, ()));
                }
                Err(error) => self.replace(error, false).await?,
            }
        }
    }

    /// Begins with a statement, and returns its rows; one round trip. A statement on a lost connection had no effect,
    /// because its commit was not sent; so it runs again on another.
    async fn begin_with(mut self, statement: Text<'_>) -> Begun<Vec<PgRow>> {
        let begin = [&self.batch.text(), "; "].concat();
        loop {
            let leased = self.leased.take().ok_or(sqlx::Error::WorkerCrashed)?;
            match begin_with(leased, &begin, &statement, self.limit).await {
                Ok((held, mut rows)) => {
                    self.lessor.begun();
                    rows.drain(..self.batch.rows.min(rows.len()));
                    return Ok((held, rows));
                }
                Err(error) => self.replace(error, true).await?,
            }
        }
    }

    /// Replaces a connection that died while it was idle, or fails with its error.
    async fn replace(&mut self, error: sqlx::Error, waited: bool) -> Result<(), sqlx::Error> {
        let another = if ends_connection(&error) { self.lessor.replace(&error, waited).await } else { None };
        self.leased = Some(another.ok_or(error)?);
        Ok(())
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        // Nothing has run on it.
        if let Some(leased) = self.leased.take() {
            leased.give_back();
        }
    }
}

impl Transaction {
    /// Like `query_all_raw`. As the first statement of a [deferred](crate::begin_deferred) transaction it takes one
    /// round trip, with its values in its text. The server shows them in `pg_stat_activity`, and in its log after an
    /// error. So the values must not be secrets or texts of users. A value that is no plain word, number or time makes
    /// the transaction begin separately.
    pub async fn query_all_at_once(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut open = self.open.lock().await;
        let text = match &*open {
            Some(EngineConnection::Deferred(deferred)) if !self.broken.load(Ordering::Relaxed) => {
                Text::of(&statement, deferred.batch.prepares)
            }
            _ => None,
        };
        let Some(text) = text else {
            drop(open);
            return sea_orm::ConnectionTrait::query_all_raw(self, statement).await;
        };
        let telemetry = self.note(&statement.sql)?;
        refuse_unstorable(statement.values.iter().flat_map(|values| &values.0))?;
        // From here the caller may be cancelled: the connection then ends its transaction in the background.
        self.broken.store(true, Ordering::Relaxed);
        let Some(EngineConnection::Deferred(deferred)) = open.take() else {
            return Err(DbErr::Type(BROKEN.to_owned()));
        };
        let begun = deferred.begin_with(text).instrument(telemetry.span.clone()).await;
        let done = begun.map_err(query_error).map(|(held, rows)| {
            *open = Some(EngineConnection::Postgres(held));
            self.broken.store(false, Ordering::Relaxed);
            rows.into_iter().map(Into::into).collect()
        });
        telemetry.end(&done, self.meter.as_ref());
        done
    }

    /// Begins a deferred transaction.
    pub(super) async fn begin_now(&self, open: &mut Option<EngineConnection>) -> Result<(), DbErr> {
        self.broken.store(true, Ordering::Relaxed);
        let Some(EngineConnection::Deferred(deferred)) = open.take() else { return Ok(()) };
        let (held, ()) = deferred.begin().await.map_err(query_error)?;
        *open = Some(EngineConnection::Postgres(held));
        self.broken.store(false, Ordering::Relaxed);
        Ok(())
    }
}

/// Runs a text that begins a transaction. Returns the rows of all its statements.
async fn begin_with(
    leased: LeasedConnection<Postgres>,
    begin: &str,
    statement: &Text<'_>,
    limit: Option<Duration>,
) -> Begun<Vec<PgRow>> {
    let within = leased.bounds().statement(limit);
    let mut beginning = Beginning { leased: Some(leased), within };
    let leased = beginning.leased.as_mut().ok_or(sqlx::Error::WorkerCrashed)?;
    let rows = answered(within, statement.rows(leased, begin)).await.and_then(|rows| rows);
    match (rows, beginning.leased.take()) {
        (Ok(rows), Some(leased)) => Ok((TransactionConnection::begun(leased, within, end), rows)),
        (rows, leased) => {
            let error = rows.err().unwrap_or(sqlx::Error::WorkerCrashed);
            beginning.leased = leased;
            beginning.end_after(&error);
            Err(error)
        }
    }
}

/// A connection during a begin with a statement. If the caller is cancelled, a transaction may be open.
struct Beginning {
    leased: Option<LeasedConnection<Postgres>>,
    within: Option<Duration>,
}

impl Beginning {
    fn end_after(mut self, error: &sqlx::Error) {
        let Some(leased) = self.leased.take() else { return };
        if is_read_only_server(error) {
            leased.end_with_others();
        } else if ends_connection(error) {
            leased.end_after(error);
        } else {
            self.leased = Some(leased);
        }
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        if let Some(leased) = self.leased.take() {
            drop(TransactionConnection::begun(leased, self.within, end));
        }
    }
}
