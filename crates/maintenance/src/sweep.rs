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
}

/// A removal of expired rows, and the job that does it.
pub(crate) struct Removal {
    /// How long rows are kept after they expired.
    pub(crate) age: Duration,
    /// Number of rows deleted in one transaction, of all kinds.
    pub(crate) batch: u64,
    pub(crate) work: Work,
}

impl Removal {
    /// Removes the expired rows of these kinds, one batch per transaction. Kinds with few rows share one. Returns the
    /// number of rows of each kind, in a dry run without removing them.
    pub(crate) async fn run<const N: usize>(
        &self,
        kinds: [Expirable; N],
        store: &dyn Store,
        sweep: &Sweep,
    ) -> Result<[u64; N]> {
        if sweep.dry_run {
            return self.count(kinds, store, sweep).await;
        }
        let (mut removed, mut at) = ([0_u64; N], 0);
        let mut totals: [Option<u64>; N] = [None; N];
        while at < N {
            let unit = self.work.open(store).await?;
            // A total is worth counting only if it is received and if there is a second batch. No row is locked yet.
            if removed[at] > 0 && totals[at].is_none() && sweep.progress.is_received() {
                let left = unit.done(unit.expiry().count(kinds[at], self.age).await)?;
                let total = removed[at].saturating_add(left).min(sweep.limit());
                totals[at] = Some(total);
                sweep.progress.report(0, total);
                sweep.progress.report(removed[at], total);
            }
            let (mut room, mut reports) = (self.batch, Vec::new());
            while at < N && room > 0 {
                let most = room.min(sweep.limit() - removed[at]);
                let rows = unit.done(unit.expiry().remove(kinds[at], self.age, most).await)?;
                room -= rows;
                removed[at] += rows;
                let is_last = rows < most || removed[at] == sweep.limit();
                if is_last && totals[at].is_none() {
                    totals[at] = Some(removed[at]);
                    reports.push((0, removed[at]));
                }
                if let Some(total) = totals[at].filter(|_| rows > 0) {
                    reports.push((removed[at], total.max(removed[at])));
                }
                at += usize::from(is_last);
            }
            unit.commit(Ok(())).await?;
            for (done, of) in reports {
                sweep.progress.report(done, of);
            }
        }
        Ok(removed)
    }

    async fn count<const N: usize>(&self, kinds: [Expirable; N], store: &dyn Store, sweep: &Sweep) -> Result<[u64; N]> {
        let unit = self.work.read(store).await?;
        let mut counted = [0; N];
        for (counted, what) in counted.iter_mut().zip(kinds) {
            *counted = unit.done(unit.expiry().count(what, self.age).await)?.min(sweep.limit());
            sweep.progress.report(0, *counted);
        }
        Ok(counted)
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
    let removal = Removal {
        age: Duration::ZERO,
        batch: 50_000,
        work: Work {
            job: "remove-expired",
            reason: "expired sessions and verification tokens",
            doing: "removing expired sessions and tokens",
        },
    };
    let kinds = [Expirable::Sessions, Expirable::VerificationTokens, Expirable::IdempotencyKeys];
    let [sessions, verification_tokens, idempotency_keys] = removal.run(kinds, store, sweep).await?;
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
    let removal = Removal { age, batch: 500, work: work() };
    // Each kind has its own units: one that always fails does not keep the others.
    let [requests] = removal.run([Expirable::DeletedRequests], store, sweep).await?;
    let [tasks] = removal.run([Expirable::DeletedTasks], store, sweep).await?;
    let unit = work().read(store).await?;
    let tables = unit.expiry().own_tables();
    drop(unit);
    let mut own = 0;
    for table in tables {
        let [rows] = removal.run([Expirable::DeletedOwn(table)], store, sweep).await?;
        own += rows;
    }
    Ok(PurgedDeleted { requests, tasks, own })
}

/// Removes every event that was counted at least `age` ago, 5,000 per transaction, and returns the number of events. An
/// event that is delivered again after that is counted again, so keep events for longer than any sender retries.
pub async fn remove_usage_events(store: &dyn Store, age: Duration, sweep: &Sweep) -> Result<u64> {
    let removal = Removal {
        age,
        batch: 5_000,
        work: Work {
            job: "remove-usage-events",
            reason: "events that no sender delivers again",
            doing: "removing old usage events",
        },
    };
    let [events] = removal.run([Expirable::UsageEvents], store, sweep).await?;
    Ok(events)
}
