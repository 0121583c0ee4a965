//! Removing for good what was soft-deleted long ago.

use std::time::Duration;

use rylie_repositories::{Kept, Store};
use serde::Serialize;

use crate::error::Result;
use crate::sweep::{Removal, Sweep};
use crate::work::Work;

/// What [`purge_deleted`] removed, or would remove.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct PurgedDeleted {
    /// Requests, each with its tasks and mappings, which are not counted.
    pub requests: u64,
    /// Tasks that were deleted by themselves.
    pub tasks: u64,
}

/// Removes every request and task that was soft-deleted at least `age` ago, 500 a transaction; each is recorded. The limit of
/// `sweep` holds for each of the two. Rows that others hold are left to the next run.
pub async fn purge_deleted(store: &dyn Store, age: Duration, sweep: &Sweep) -> Result<PurgedDeleted> {
    let removal = |what| Removal {
        what,
        age,
        batch: 500,
        work: Work {
            job: "purge-deleted",
            reason: "requests and tasks that were soft-deleted long ago",
            doing: "purging soft-deleted requests and tasks",
        },
    };
    let requests = removal(Kept::DeletedRequests).run(store, sweep).await?;
    let tasks = removal(Kept::DeletedTasks).run(store, sweep).await?;
    Ok(PurgedDeleted { requests, tasks })
}
