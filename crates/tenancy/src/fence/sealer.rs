//! The role that seals, removes and erases. A unit takes it for the statements that need it, and no longer.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::error::{Error, Result};
use crate::fence::Tx;

impl Tx {
    /// From here on as `rylie_sealer`; [`Error::MayNotSeal`] where the login may not take that role. Where the doors' roles are not
    /// there either, and on SQLite, the login works as itself.
    pub async fn become_sealer(&self) -> Result<()> {
        self.take_role("rylie_sealer").await
    }

    /// And as the platform's door again.
    pub async fn become_platform(&self) -> Result<()> {
        self.take_role("rylie_platform").await
    }

    async fn take_role(&self, role: &'static str) -> Result<()> {
        let connection = self.across_tenants()?;
        if connection.get_database_backend() == DbBackend::Sqlite || !self.surroundings().pool.has_row_level_security()
        {
            return Ok(());
        }
        // As `SET LOCAL ROLE`, and no write: a unit that may not seal has written nothing.
        let take = Statement::from_string(DbBackend::Postgres, format!("SELECT set_config('role', '{role}', true)"));
        connection.query_all_raw(take).await.map(drop).map_err(|error| Error::from(error).of_role())
    }
}
