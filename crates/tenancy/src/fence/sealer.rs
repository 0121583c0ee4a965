//! The role that seals, removes and erases. A unit takes it for the statements that need it, and no longer.

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
        let own = self.across_tenants()?;
        if own.is_sqlite() || !self.surroundings().pool.has_row_level_security() {
            return Ok(());
        }
        // As `SET LOCAL ROLE`, and no write: a unit that may not seal has written nothing.
        let take = format!("SELECT set_config('role', '{role}', true)");
        own.rows(&take, vec![]).await.map(drop).map_err(Error::of_role)
    }
}
