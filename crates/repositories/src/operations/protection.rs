//! What destroys data for good asks the database's mark once more, in its own transaction.

use crate::tx::Tx;
use crate::{Error, Result};

impl Tx {
    /// [`Error::Protected`] where the database is marked as production, or has no mark that leaves to destroy anything. Asked
    /// last, it stops also for a mark that was set since the unit began.
    pub(crate) async fn refuse_protected(&self) -> Result<()> {
        let sql = "SELECT count(*) FROM rylie_database WHERE environment IN ('staging', 'development')";
        if self.across_tenants()?.count(sql, vec![]).await? == 0 { Err(Error::Protected) } else { Ok(()) }
    }
}
