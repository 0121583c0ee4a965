//! Unfiltered SQL in units that belong to no tenant.

use rylie_connection::Transaction;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value};

use crate::error::Result;

/// The connection of a unit that belongs to no tenant, without the tenant filter.
/// [`Tx::across_tenants`](super::Tx::across_tenants) and [`Tx::operations`](super::Tx::operations) return it, and fail in a
/// tenant unit. It runs statements and cannot end the transaction.
#[derive(Clone, Copy)]
pub struct Unfiltered<'tx>(pub(super) &'tx Transaction);

impl Unfiltered<'_> {
    /// Returns whether the engine is SQLite.
    #[must_use]
    pub fn is_sqlite(self) -> bool {
        self.0.get_database_backend() == DbBackend::Sqlite
    }

    /// Runs a statement. Returns how many rows it changed.
    pub async fn run(self, sql: &str, values: Vec<Value>) -> Result<u64> {
        Ok(self.0.execute_raw(self.statement(sql, values)).await?.rows_affected())
    }

    /// Returns the rows of a statement.
    pub async fn rows(self, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>> {
        Ok(self.0.query_all_raw(self.statement(sql, values)).await?)
    }

    /// Returns the result of a counting statement; 0 if it returns no row.
    pub async fn count(self, sql: &str, values: Vec<Value>) -> Result<u64> {
        let row = self.0.query_one_raw(self.statement(sql, values)).await?;
        let rows: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(rows.unwrap_or(0).cast_unsigned())
    }

    fn statement(self, sql: &str, values: Vec<Value>) -> Statement {
        Statement::from_sql_and_values(self.0.get_database_backend(), sql, values)
    }
}
