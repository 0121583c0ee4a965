//! Unfiltered SQL in units that belong to no tenant.

use async_trait::async_trait;
use rylie_connection::Transaction;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};

/// The connection of a unit that belongs to no tenant, without the tenant filter.
/// [`Tx::across_tenants`](super::Tx::across_tenants) and [`Tx::books`](super::Tx::books) return it, and fail in a
/// tenant unit. It runs statements and cannot end the transaction.
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
