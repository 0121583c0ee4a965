//! Removing expired sessions and tokens.

use rylie_repositories::{Grant, Store};
use serde::Serialize;

use crate::error::{Error, Result};

/// Rows deleted in one transaction.
const BATCH: u64 = 5_000;

/// What [`remove_expired`] deleted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct RemovedExpired {
    /// Expired sessions.
    pub sessions: u64,
    /// Expired verification tokens.
    pub verification_tokens: u64,
}

/// Deletes every session and verification token that has expired by now.
pub async fn remove_expired(store: &dyn Store) -> Result<RemovedExpired> {
    let failed = Error::doing("removing expired sessions and tokens");
    let mut removed = RemovedExpired::default();
    loop {
        let grant = Grant::job("remove-expired", "expired sessions and verification tokens").map_err(&failed)?;
        let unit = store.platform(grant).await.map_err(&failed)?;
        let sessions = unit.expiry().remove_sessions(BATCH).await.map_err(&failed)?;
        let verification_tokens = unit.expiry().remove_verification_tokens(BATCH).await.map_err(&failed)?;
        unit.commit().await.map_err(&failed)?;
        removed.sessions += sessions;
        removed.verification_tokens += verification_tokens;
        if sessions < BATCH && verification_tokens < BATCH {
            return Ok(removed);
        }
    }
}
