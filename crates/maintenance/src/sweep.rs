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

/// The processed rows of a run in batches, and their progress. A total is counted only if it is received and if there is
/// a second batch.
pub(crate) struct Processed<'a> {
    sweep: &'a Sweep,
    rows: u64,
    total: Option<u64>,
}

impl<'a> Processed<'a> {
    pub(crate) fn none(sweep: &'a Sweep) -> Self {
        Self { sweep, rows: 0, total: None }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns how many rows may still be processed.
    pub(crate) fn left(&self) -> u64 {
        self.sweep.limit() - self.rows
    }

    /// Returns whether the rows that are left should be counted now.
    pub(crate) fn needs_count(&self) -> bool {
        self.rows > 0 && self.total.is_none() && self.sweep.progress.is_received()
    }

    /// Reports the total, with the number of rows that are left.
    pub(crate) fn counted(&mut self, left: u64) {
        let total = self.rows.saturating_add(left).min(self.sweep.limit());
        self.total = Some(total);
        self.sweep.progress.report(0, total);
        self.sweep.progress.report(self.rows, total);
    }

    /// Adds and reports a batch that was committed.
    pub(crate) fn add(&mut self, rows: u64, is_last: bool) {
        self.rows += rows;
        if self.total.is_none() && (is_last || self.left() == 0) {
            self.total = Some(self.rows);
            self.sweep.progress.report(0, self.rows);
        }
        if let Some(total) = self.total.filter(|_| rows > 0) {
            self.sweep.progress.report(self.rows, total.max(self.rows));
        }
    }
}

/// The limit of a statement that removes rows without batches. Rows are locked until the end of its transaction, which has
/// one for each kind.
const AT_ONCE: Duration = Duration::from_millis(250);

/// A removal of expired rows, and the job that does it.
pub(crate) struct Removal {
    /// How long rows are kept after they expired.
    pub(crate) age: Duration,
    /// Whether all rows may go at once; not if each is recorded.
    pub(crate) at_once: bool,
    /// Number of rows deleted in one transaction.
    pub(crate) batch: u64,
    pub(crate) work: Work,
}

impl Removal {
    /// Removes the expired rows of these kinds, and returns the number of rows of each; in a dry run without removing
    /// them.
    ///
    /// First tries all rows in one transaction, within a time limit. If that is not possible, each kind is removed in
    /// separate batches, so that a kind that always fails keeps no other. The first kind's error is
    /// returned after that.
    pub(crate) async fn run<const N: usize>(
        &self,
        kinds: [Expirable; N],
        store: &dyn Store,
        sweep: &Sweep,
    ) -> Result<[u64; N]> {
        if sweep.dry_run {
            return self.count(kinds, store, sweep).await;
        }
        if self.at_once
            && sweep.limit.is_none()
            && let Some(removed) = self.at_once(kinds, store).await?
        {
            for rows in removed {
                Processed::none(sweep).add(rows, true);
            }
            return Ok(removed);
        }
        let (mut removed, mut failed) = ([0; N], Ok(()));
        for (removed, what) in removed.iter_mut().zip(kinds) {
            let mut processed = Processed::none(sweep);
            failed = failed.and(self.in_batches(what, &mut processed, store).await);
            *removed = processed.rows();
        }
        failed.map(|()| removed)
    }

    /// Removes all rows in one transaction. Returns `None` if the engine has no time limit, if the limit was too short, or
    /// if a kind failed.
    async fn at_once<const N: usize>(&self, kinds: [Expirable; N], store: &dyn Store) -> Result<Option<[u64; N]>> {
        let unit = self.work.open_within(store, AT_ONCE).await?;
        let mut removed = [0; N];
        for (removed, what) in removed.iter_mut().zip(kinds) {
            let Ok(Some(rows)) = unit.expiry().remove_all(what, self.age).await else { return Ok(None) };
            *removed = rows;
        }
        unit.commit(Ok(Some(removed))).await
    }

    /// Removes the rows of one kind, one batch per transaction.
    async fn in_batches(&self, what: Expirable, processed: &mut Processed<'_>, store: &dyn Store) -> Result<()> {
        loop {
            let unit = self.work.open(store).await?;
            // No row is locked yet.
            if processed.needs_count() {
                processed.counted(unit.done(unit.expiry().count(what, self.age).await)?);
            }
            let most = self.batch.min(processed.left());
            let rows = unit.expiry().remove(what, self.age, most).await;
            let rows = unit.commit(rows).await?;
            let is_last = rows < most || rows == processed.left();
            processed.add(rows, is_last);
            if is_last {
                return Ok(());
            }
        }
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

/// Deletes every expired session, verification token and answer of a repeatable call. The limit of `sweep` applies to
/// each of the three.
///
/// On PostgreSQL, and without a limit, first tries one statement for each of the three in one transaction; none may take
/// more than 250 ms. Otherwise deletes 50,000 rows per transaction, and leaves locked rows to the next run. If one of the
/// three cannot be deleted, the others are, and its error is returned after that.
pub async fn remove_expired(store: &dyn Store, sweep: &Sweep) -> Result<RemovedExpired> {
    let removal = Removal {
        age: Duration::ZERO,
        at_once: true,
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
///
/// If one of them cannot be removed, the other is. Its error is returned after that.
pub async fn purge_deleted(store: &dyn Store, age: Duration, sweep: &Sweep) -> Result<PurgedDeleted> {
    let work = || Work {
        job: "purge-deleted",
        reason: "requests and tasks that were soft-deleted long ago",
        doing: "purging soft-deleted requests and tasks",
    };
    let removal = Removal { age, at_once: false, batch: 500, work: work() };
    // Each kind has its own units: one that always fails does not keep the others.
    let requests = removal.run([Expirable::DeletedRequests], store, sweep).await;
    let tasks = removal.run([Expirable::DeletedTasks], store, sweep).await;
    let unit = work().read(store).await?;
    let tables = unit.expiry().own_tables();
    drop(unit);
    let mut own = Ok(0);
    for table in tables {
        let removed = removal.run([Expirable::DeletedOwn(table)], store, sweep).await;
        own = own.and_then(|rows| removed.map(|[removed]| rows + removed));
    }
    let ([requests], [tasks]) = (requests?, tasks?);
    Ok(PurgedDeleted { requests, tasks, own: own? })
}

/// Removes every event that was counted at least `age` ago, as [`remove_expired`] does with 5,000 per transaction, and
/// returns the number of events. An event that is delivered again after that is counted again, so keep events for longer than any sender retries.
pub async fn remove_usage_events(store: &dyn Store, age: Duration, sweep: &Sweep) -> Result<u64> {
    let removal = Removal {
        age,
        at_once: true,
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
