//! A transaction that follows another one on its connection.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use sea_orm::DbErr;
use tracing::Instrument;

use super::statements::query_error;
use super::{EngineConnection, Transaction};
use crate::unit_options::Access;

impl Transaction {
    /// Runs a write, commits, and begins the next transaction on the connection, in one round trip on PostgreSQL. `next` is
    /// its batch, its limit of a statement and its access. Call it before any other statement.
    pub(crate) async fn commit_and_begin(
        mut self,
        write: &str,
        next: (String, Option<Duration>, Access),
    ) -> Result<Self, DbErr> {
        let (batch, limit, access) = next;
        let telemetry = self.note(write)?;
        let Some(EngineConnection::Postgres(held)) = self.open.get_mut() else {
            return Err(query_error(sqlx::Error::WorkerCrashed));
        };
        let text = [write, "; COMMIT; ", &batch].concat();
        let done = held.commit_and_begin(text, limit).instrument(telemetry.span.clone()).await.map_err(query_error);
        let done = done.map(|()| 1_u64);
        telemetry.end(&done, self.meter.as_ref());
        done?;
        self.access = access;
        self.statements = AtomicU64::new(0);
        self.wrote = AtomicBool::new(false);
        Ok(self)
    }
}
