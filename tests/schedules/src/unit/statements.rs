// Mounted within the transaction, in place of `statements.rs`. The guard of a statement is the real one.

use std::sync::atomic::Ordering;

use tracing::Instrument;

use super::{EngineConnection, Transaction};
use crate::unit::fakes::DbErr;

include!(concat!(env!("OUT_DIR"), "/guarded.rs"));

impl Transaction {
    pub(crate) async fn write(&self, value: u32) -> Result<(), DbErr> {
        let sql = format!("INSERT {value}");
        let telemetry = self.note(&sql)?;
        guarded!(self, telemetry, |open| self.execute(&mut open, &sql).await)
    }

    pub(super) async fn execute(&self, open: &mut Option<EngineConnection>, sql: &str) -> Result<(), DbErr> {
        match open.as_mut() {
            Some(EngineConnection::Postgres(held)) => held.run(sql).await,
            _ => Err(DbErr::Query),
        }
    }

    pub(super) async fn begin_now(&self, _: &mut Option<EngineConnection>) -> Result<(), DbErr> {
        Ok(())
    }
}

pub(super) fn query_error(_: crate::sqlx::Error) -> DbErr {
    DbErr::Query
}
