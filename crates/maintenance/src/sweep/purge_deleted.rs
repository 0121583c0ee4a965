//! Permanently removing rows that were soft-deleted long ago.

use std::time::Duration;

use rylie_repositories::{Kept, Store};
use serde::Serialize;

use crate::error::Result;
use crate::sweep::{Removal, Sweep};

/// The number of rows that [`purge_deleted`] removed, or would remove in a dry run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct PurgedDeleted {
    /// Requests. Their tasks and mappings are removed with them and not counted.
    pub requests: u64,
    /// Tasks that were deleted separately.
    pub tasks: u64,
}

/// Removes every request and task that was soft-deleted at least `age` ago, 500 per transaction; each is recorded. The
/// limit of `sweep` applies to each of the two. Locked rows are left to the next run.
pub async fn purge_deleted(store: &dyn Store, age: Duration, sweep: &Sweep) -> Result<PurgedDeleted> {
    let removal = |what| Removal {
        what,
        age,
        batch: 500,
        job: ("purge-deleted", "requests and tasks that were soft-deleted long ago"),
        doing: "purging soft-deleted requests and tasks",
    };
    let requests = removal(Kept::DeletedRequests).run(store, sweep).await?;
    let tasks = removal(Kept::DeletedTasks).run(store, sweep).await?;
    Ok(PurgedDeleted { requests, tasks })
}
