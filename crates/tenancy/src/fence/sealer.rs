//! The sealer role, which seals the audit log, removes batches and erases personal parts. A unit assumes it only for
//! the statements that need it.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::error::{Error, Result};
use crate::fence::Tx;

impl Tx {
    /// Assumes `rylie_sealer`. Fails with [`Error::MayNotSeal`] if the login may not. If the database roles do not
    /// exist either, and on SQLite, the login keeps its own rights.
    pub async fn become_sealer(&self) -> Result<()> {
        self.take_role("rylie_sealer").await
    }

    /// Assumes the platform role again.
    pub async fn become_platform(&self) -> Result<()> {
        self.take_role("rylie_platform").await
    }

    async fn take_role(&self, role: &'static str) -> Result<()> {
        let connection = self.across_tenants()?;
        if connection.get_database_backend() == DbBackend::Sqlite || !self.surroundings().pool.has_row_level_security()
        {
            return Ok(());
        }
        // The same as `SET LOCAL ROLE`, but not a write: a unit that may not seal has written nothing.
        let take = Statement::from_string(DbBackend::Postgres, format!("SELECT set_config('role', '{role}', true)"));
        connection.query_all_raw(take).await.map(drop).map_err(|error| Error::from(error).of_role())
    }
}
