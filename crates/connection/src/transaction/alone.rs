//! Single statements in their own transactions.

use sea_orm::{DbErr, QueryResult, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, Database, Executor, IntoArguments};
use tracing::Instrument;

use super::observed::{self, Observed};
use super::storable::parts;
use crate::bounds::answered;
use crate::endpoint::Endpoint;
use crate::error::{Result, ends_connection};
use crate::lender::Lent;
use crate::server::Server;

/// Runs one statement that reads a table, and returns its rows.
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
