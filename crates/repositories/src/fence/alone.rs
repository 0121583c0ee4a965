//! Reads that are transactions of their own, in units that have none.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use sea_orm::{DbErr, QueryResult, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, Database, Executor, IntoArguments};
use tracing::Instrument;

use super::observed::{self, Observed};
use super::rows::decoded;
use super::storable::parts;
use super::transaction::Transaction;
use crate::error::ends_connection;
use crate::fence::Tx;
use crate::pool::{Alone, CallSite, Endpoint, Lent, Server, answered};
use crate::soft_delete::SoftDeleted;
use crate::{Result, UnitOptions};

/// How a unit was opened that has a transaction only once a read needs one.
pub(crate) struct Autocommit {
    options: UnitOptions,
    opened_at: CallSite,
    statements: AtomicU64,
}

impl Autocommit {
    pub(crate) fn new(options: UnitOptions, opened_at: CallSite) -> Self {
        Self { options, opened_at, statements: AtomicU64::default() }
    }

    /// How many were sent by themselves.
    pub(super) fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }
}

/// A read under way.
type Reading<F> = Pin<Box<F>>;

impl Tx {
    pub(super) async fn begin_late(&self, autocommit: &Autocommit) -> Result<Transaction> {
        self.surroundings.pool.begin(&self.fence.door(), autocommit.options, autocommit.opened_at).await
    }

    /// The rows with these keys that are not soft-deleted and within this unit's reach; `None` if it takes a transaction to
    /// read them. Boxed, so that it adds nothing to units that have one.
    pub(super) fn alone_among<E: SoftDeleted>(
        &self,
        ids: &[impl ToString],
    ) -> Option<Reading<impl Future<Output = Result<Vec<E::Model>>> + Send>> {
        let autocommit = self.autocommit.as_ref().filter(|_| !self.transaction.initialized())?;
        let pool = &self.surroundings.pool;
        let statement = match pool.reads_alone(autocommit.options)? {
            Alone::Plainly => self.among_keys::<E>(ids),
            Alone::ThroughFunction => self.through_function::<E>(ids),
        };
        Some(Box::pin(async move {
            autocommit.statements.fetch_add(1, Ordering::Relaxed);
            decoded::<E>(&pool.read_alone(E::TABLE, &statement, autocommit.opened_at).await?)
        }))
    }
}

/// The rows of one statement that reads a table, sent by itself.
pub(crate) async fn rows_of<DB: Database>(
    mut lent: Lent<DB>,
    table: &'static str,
    statement: Statement,
    endpoint: &Endpoint,
) -> Result<Vec<QueryResult>>
where
    for<'conn> &'conn mut DB::Connection: Executor<'conn, Database = DB>,
    SqlxValues: IntoArguments<DB>,
    DB::Row: Into<QueryResult>,
{
    let unit = observed::unit(endpoint);
    unit.record("rylie.server", Server::Primary.label());
    let observed = Observed::begin(&unit, endpoint, &statement.sql, Some(table));
    let (sql, values) = parts(statement)?;
    let query = sqlx::query_with(AssertSqlSafe(sql), values);
    let within = lent.bounds().statement(None);
    let read = query.fetch_all(lent.conn()?).instrument(observed.span.clone());
    let rows = answered(within, read).await.and_then(|rows| rows);
    match &rows {
        Ok(_) => lent.give_back(),
        Err(error) if ends_connection(error) => lent.end_after(error),
        Err(_) => drop(lent),
    }
    let rows = rows.map(|rows| rows.into_iter().map(Into::into).collect());
    let rows = rows.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())));
    observed.end(&rows);
    Ok(rows?)
}
