//! Forgetting the events that usage was counted by.

use std::time::Duration;

use rylie_repositories::{Kept, Store};

use crate::error::Result;
use crate::sweep::{Removal, Sweep};
use crate::work::Work;

/// Removes every event that was counted at least `age` ago, 5,000 a transaction, and returns how many. One that is
/// delivered once more after that is counted once more, so keep them for longer than any sender tries again.
pub async fn remove_usage_events(store: &dyn Store, age: Duration, sweep: &Sweep) -> Result<u64> {
    let removal = Removal {
        what: Kept::UsageEvents,
        age,
        batch: 5_000,
        work: Work {
            job: "remove-usage-events",
            reason: "events that no sender delivers again",
            doing: "removing old usage events",
        },
    };
    removal.run(store, sweep).await
}
