//! SQL of our own, in units that are no tenant's.

use async_trait::async_trait;
use rylie_connection::Transaction;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};

/// The connection of a unit that is no tenant's. [`Tx::across_tenants`](super::Tx::across_tenants) and
/// [`Tx::books`](super::Tx::books) give it, and refuse in a tenant's unit; it runs statements and ends nothing.
pub struct Unfiltered<'tx>(pub(super) &'tx Transaction);

#[async_trait]
impl ConnectionTrait for Unfiltered<'_> {
    fn get_database_backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.0.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.0.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.0.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.0.query_all_raw(statement).await
    }
}
