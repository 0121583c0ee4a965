//! Removing expired sessions and tokens.

use std::time::Duration;

use rylie_repositories::{Kept, Store};
use serde::Serialize;

use crate::error::Result;
use crate::sweep::{Removal, Sweep};

/// The number of rows that [`remove_expired`] deleted, or would delete in a dry run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct RemovedExpired {
    /// Expired sessions.
    pub sessions: u64,
    /// Expired verification tokens.
    pub verification_tokens: u64,
}

/// Deletes every expired session and verification token, 10,000 per transaction. The limit of `sweep` applies to each
/// of the two. Locked rows are left to the next run.
pub async fn remove_expired(store: &dyn Store, sweep: &Sweep) -> Result<RemovedExpired> {
    let removal = |what| Removal {
        what,
        age: Duration::ZERO,
        batch: 10_000,
        job: ("remove-expired", "expired sessions and verification tokens"),
        doing: "removing expired sessions and tokens",
    };
    let sessions = removal(Kept::Sessions).run(store, sweep).await?;
    let verification_tokens = removal(Kept::VerificationTokens).run(store, sweep).await?;
    Ok(RemovedExpired { sessions, verification_tokens })
}
