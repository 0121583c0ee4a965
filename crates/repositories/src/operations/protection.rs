//! Destructive calls check the environment marker again, in their own transaction.

use crate::tx::Tx;
use crate::{Error, Result};

impl Tx {
    /// Fails with [`Error::Protected`] if the environment marker is production or missing. Called last in a unit, this
    /// also sees a marker that was set since the unit began.
    pub(crate) async fn refuse_protected(&self) -> Result<()> {
        let sql = "SELECT count(*) FROM rylie_database WHERE environment IN ('staging', 'development')";
        if self.across_tenants()?.count(sql, vec![]).await? == 0 { Err(Error::Protected) } else { Ok(()) }
    }
}
