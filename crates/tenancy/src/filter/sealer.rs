//! The sealer role, which seals the audit log, removes batches and erases personal parts. A unit assumes it only for
//! the statements that need it.

use crate::error::{Error, Result};
use crate::filter::Tx;

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
        let own = self.across_tenants()?;
        if own.is_sqlite() || !self.unit_context().pool.has_row_level_security() {
            return Ok(());
        }
        // The same as `SET LOCAL ROLE`, but not a write: a unit that may not seal has written nothing.
        let take = format!("SELECT set_config('role', '{role}', true)");
        own.rows(&take, vec![]).await.map(drop).map_err(Error::of_role)
    }
}
