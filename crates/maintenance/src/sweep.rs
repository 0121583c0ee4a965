//! Common parts of the jobs that process many rows in batches.

use std::time::Duration;

use rylie_repositories::{Expirable, Progress, Store};
use serde::Serialize;

use crate::error::Result;
use crate::work::Work;

/// The options of that job.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    /// Only counts the rows.
    pub dry_run: bool,
    /// Stops after this number of rows.
    pub limit: Option<u64>,
    /// Receives, after each batch, the number of processed rows and the total.
    pub progress: Progress,
}

impl Sweep {
    pub(crate) fn limit(&self) -> u64 {
        self.limit.unwrap_or(u64::MAX)
    }

    /// Runs `step` in batches of at most `size` rows, from `done` rows on. Stops at `end`, or when a step returns no
    /// position to continue from. Returns the number of processed rows, and reports it with the total `counted`.
    pub(crate) async fn batches<P, F: Future<Output = Result<(u64, Option<P>)>>>(
        &self,
        size: u64,
        counted: u64,
        (mut done, end): (u64, u64),
        step: impl Fn(u64, Option<P>) -> F,
    ) -> Result<u64> {
        let mut next = None;
        while done < end {
            let rows;
            (rows, next) = step(size.min(self.limit() - done), next).await?;
            done += rows;
            self.progress.report(done, counted.max(done));
            if next.is_none() {
                break;
            }
        }
        Ok(done)
    }
}

/// A removal of expired rows, and the job that does it.
pub(crate) struct Removal {
    pub(crate) what: Expirable,
    /// How long rows are kept after they expired.
    pub(crate) age: Duration,
    /// Number of rows deleted in one transaction.
    pub(crate) batch: u64,
    pub(crate) work: Work,
}

impl Removal {
    /// Removes the expired rows, one batch per transaction. Returns the number of rows, in a dry run without removing
    /// them.
    pub(crate) async fn run(&self, store: &dyn Store, sweep: &Sweep) -> Result<u64> {
        let ended = if sweep.dry_run || sweep.progress.is_received() {
            let unit = self.work.read(store).await?;
            unit.done(unit.expiry().count(self.what, self.age).await)?.min(sweep.limit())
        } else {
            sweep.limit()
        };
        sweep.progress.report(0, ended);
        if sweep.dry_run {
            return Ok(ended);
        }
        let remove = |batch, _| async move {
            let unit = self.work.open(store).await?;
            let removed = unit.expiry().remove(self.what, self.age, batch).await;
            let removed = unit.commit(removed).await?;
            Ok((removed, (removed == batch).then_some(())))
        };
        sweep.batches(self.batch, ended, (0, ended), remove).await
    }
}

/// The number of rows that [`remove_expired`] deleted, or would delete in a dry run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct RemovedExpired {
    /// Expired sessions.
    pub sessions: u64,
    /// Expired verification tokens.
    pub verification_tokens: u64,
    /// Expired answers of repeatable calls.
    pub idempotency_keys: u64,
}

/// Deletes every expired session, verification token and answer of a repeatable call, 50,000 per transaction. The limit
/// of `sweep` applies to each of the three. Locked rows are left to the next run.
pub async fn remove_expired(store: &dyn Store, sweep: &Sweep) -> Result<RemovedExpired> {
    let removal = |what| Removal {
        what,
        age: Duration::ZERO,
        batch: 50_000,
        work: Work {
            job: "remove-expired",
            reason: "expired sessions and verification tokens",
            doing: "removing expired sessions and tokens",
        },
    };
    let sessions = removal(Expirable::Sessions).run(store, sweep).await?;
    let verification_tokens = removal(Expirable::VerificationTokens).run(store, sweep).await?;
    let idempotency_keys = removal(Expirable::IdempotencyKeys).run(store, sweep).await?;
    Ok(RemovedExpired { sessions, verification_tokens, idempotency_keys })
}

/// The number of rows that [`purge_deleted`] removed, or would remove in a dry run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct PurgedDeleted {
    /// Requests. Their tasks and mappings are removed with them and not counted.
    pub requests: u64,
    /// Tasks that were deleted separately.
    pub tasks: u64,
    /// Rows of the service's own tables.
    #[serde(skip_serializing_if = "is_none")]
    pub own: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_none(rows: &u64) -> bool {
    *rows == 0
}

/// Removes every request and task that was soft-deleted at least `age` ago, 500 per transaction; each is recorded. The
/// limit of `sweep` applies to each of the two. Locked rows are left to the next run.
pub async fn purge_deleted(store: &dyn Store, age: Duration, sweep: &Sweep) -> Result<PurgedDeleted> {
    let work = || Work {
        job: "purge-deleted",
        reason: "requests and tasks that were soft-deleted long ago",
        doing: "purging soft-deleted requests and tasks",
    };
    let removal = |what| Removal { what, age, batch: 500, work: work() };
    let requests = removal(Expirable::DeletedRequests).run(store, sweep).await?;
    let tasks = removal(Expirable::DeletedTasks).run(store, sweep).await?;
    let unit = work().read(store).await?;
    let tables = unit.expiry().own_tables();
    drop(unit);
    let mut own = 0;
    for table in tables {
        own += removal(Expirable::DeletedOwn(table)).run(store, sweep).await?;
    }
    Ok(PurgedDeleted { requests, tasks, own })
}

/// Removes every event that was counted at least `age` ago, 5,000 per transaction, and returns the number of events. An
/// event that is delivered again after that is counted again, so keep events for longer than any sender retries.
pub async fn remove_usage_events(store: &dyn Store, age: Duration, sweep: &Sweep) -> Result<u64> {
    let removal = Removal {
        what: Expirable::UsageEvents,
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
