//! Removing expired sessions and tokens.

use std::time::Duration;

use rylie_repositories::{Kept, Store};
use serde::Serialize;

use crate::error::Result;
use crate::sweep::{Removal, Sweep};
use crate::work::Work;

/// What [`remove_expired`] deleted, or would delete.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct RemovedExpired {
    /// Expired sessions.
    pub sessions: u64,
    /// Expired verification tokens.
    pub verification_tokens: u64,
}

/// Deletes every session and verification token that has expired by now, 10,000 a transaction. The limit of `sweep` holds
/// for each of the two. Rows that others hold are left to the next run.
pub async fn remove_expired(store: &dyn Store, sweep: &Sweep) -> Result<RemovedExpired> {
    let removal = |what| Removal {
        what,
        age: Duration::ZERO,
        batch: 10_000,
        work: Work {
            job: "remove-expired",
            reason: "expired sessions and verification tokens",
            doing: "removing expired sessions and tokens",
        },
    };
    let sessions = removal(Kept::Sessions).run(store, sweep).await?;
    let verification_tokens = removal(Kept::VerificationTokens).run(store, sweep).await?;
    Ok(RemovedExpired { sessions, verification_tokens })
}
