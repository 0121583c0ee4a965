//! Removing counted usage events.

use std::time::Duration;

use rylie_repositories::{Kept, Store};

use crate::error::Result;
use crate::sweep::{Removal, Sweep};

/// Removes every event that was counted at least `age` ago, 5,000 per transaction, and returns the number of events. An
/// event that is delivered again after that is counted again, so keep events for longer than any sender retries.
pub async fn remove_usage_events(store: &dyn Store, age: Duration, sweep: &Sweep) -> Result<u64> {
    let removal = Removal {
        what: Kept::UsageEvents,
        age,
        batch: 5_000,
        job: ("remove-usage-events", "events that no sender delivers again"),
        doing: "removing old usage events",
    };
    removal.run(store, sweep).await
}
