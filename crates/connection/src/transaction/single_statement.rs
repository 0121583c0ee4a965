//! Single statements in their own transactions.

use std::time::Duration;

use sea_orm::{DbErr, QueryResult, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, Database, Executor, IntoArguments, Postgres};
use tracing::Instrument;

use super::deferred::Batch;
use super::in_text::Text;
use super::storable::parts;
use super::telemetry::{self, Telemetry};
use crate::bounds::answered;
use crate::cache::LeasedConnection;
use crate::endpoint::Endpoint;
use crate::error::{Error, ends_connection, is_read_only_server};
use crate::server::Server;
use crate::unit_costs::UnitMeter;

/// Runs one statement on a table, and returns its rows.
pub(crate) async fn rows_of<DB: Database>(
    mut leased: LeasedConnection<DB>,
    table: &'static str,
    statement: Statement,
    endpoint: &Endpoint,
    meter: &UnitMeter,
) -> Result<Vec<QueryResult>, Error>
where
    for<'conn> &'conn mut DB::Connection: Executor<'conn, Database = DB>,
    SqlxValues: IntoArguments<DB>,
    DB::Row: Into<QueryResult>,
{
    let unit = telemetry::unit(endpoint);
    unit.record("rylie.server", Server::Primary.label());
    let telemetry = Telemetry::begin(&unit, endpoint, &statement.sql, Some(table), Some(meter));
    let (sql, values) = parts(statement)?;
    let query = sqlx::query_with(AssertSqlSafe(sql), values);
    let within = leased.bounds().statement(None);
    let read = query.fetch_all(leased.conn()?).instrument(telemetry.span.clone());
    let rows = answered(within, read).await.and_then(|rows| rows);
    given_back(leased, rows, telemetry, meter)
}

/// One snapshot for all statements of a text, and no write.
const ONE_STATE: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// Runs one statement on a table in one text with what precedes it, and returns its rows. The server runs the text as
/// one transaction.
pub(crate) async fn rows_of_text(
    mut leased: LeasedConnection<Postgres>,
    table: &'static str,
    (sql, (batch, statement), limit): (&str, (&Batch, &Text<'_>), Option<Duration>),
    endpoint: &Endpoint,
    meter: &UnitMeter,
) -> Result<Vec<QueryResult>, Error> {
    let unit = telemetry::unit(endpoint);
    unit.record("rylie.server", Server::Primary.label());
    let telemetry = Telemetry::begin(&unit, endpoint, sql, Some(table), Some(meter));
    let before = [ONE_STATE, &batch.assume, "; "].concat();
    let within = leased.bounds().statement(limit);
    let read = statement.rows(&mut leased, &before).instrument(telemetry.span.clone());
    let mut rows = answered(within, read).await.and_then(|rows| rows);
    if let Ok(rows) = &mut rows {
        rows.drain(..batch.rows.min(rows.len()));
    }
    given_back(leased, rows, telemetry, meter)
}

/// Ends the lease and the telemetry of a statement.
fn given_back<DB: Database>(
    leased: LeasedConnection<DB>,
    rows: Result<Vec<DB::Row>, sqlx::Error>,
    telemetry: Telemetry,
    meter: &UnitMeter,
) -> Result<Vec<QueryResult>, Error>
where
    DB::Row: Into<QueryResult>,
{
    match &rows {
        Ok(_) => leased.give_back(),
        Err(error) if is_read_only_server(error) => leased.end_with_others(),
        Err(error) if ends_connection(error) => leased.end_after(error),
        Err(_) => drop(leased),
    }
    let rows = rows.map(|rows| rows.into_iter().map(Into::into).collect());
    let rows = rows.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())));
    telemetry.end(&rows, Some(meter));
    Ok(rows?)
}
