//! The role that seals, removes and erases. A unit takes it for the statements that need it, and no longer.

use sea_orm::{ConnectionTrait, DbBackend};

use crate::fence::Tx;
use crate::{Error, Result};

impl Tx {
    /// From here on as `rylie_sealer`; [`Error::MayNotSeal`] where the login may not take that role. Where the doors' roles are not
    /// there either, and on SQLite, the login works as itself.
    pub(crate) async fn become_sealer(&self) -> Result<()> {
        self.take_role("rylie_sealer").await
    }

    /// And as the platform's door again.
    pub(crate) async fn become_platform(&self) -> Result<()> {
        self.take_role("rylie_platform").await
    }

    async fn take_role(&self, role: &'static str) -> Result<()> {
        let connection = self.across_tenants()?;
        if connection.get_database_backend() == DbBackend::Sqlite || !self.surroundings().pool.has_row_level_security()
        {
            return Ok(());
        }
        let taken = connection.execute_unprepared(&format!("SET LOCAL ROLE {role}")).await;
        taken.map(drop).map_err(|error| Error::from(error).of_role())
    }
}
