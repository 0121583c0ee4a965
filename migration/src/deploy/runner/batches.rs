//! Changes many rows in batches, each short enough for the writers that wait for its rows.

use std::time::{Duration, Instant};

use rylie_driver::{Reason, literal};

use super::batch::Batch;
use super::work::Work;
use super::{Run, is_timeout};
use crate::deploy::triggers;
use crate::error::{Error, Result};
use crate::history::equivalents::{filled_table, fills_tenant_key};
use crate::options::{DeployProgress, Listener};
use crate::step::{BATCH_ROWS, Step, Target};

/// A batch covers the last row of the previous one and at least one more.
const FEWEST_ROWS: u32 = 2;
const MOST_ROWS: u32 = 5_000;

/// How long `ANALYZE` waits for another session's work on the table.
const ANALYZE_LOCK: Duration = Duration::from_secs(5);

/// The number of rows of the next batch.
struct Size {
    rows: u32,
    limit: Duration,
}

impl Size {
    /// Adapts the size after a commit: doubles it below an eighth of the time limit, halves it above a third.
    fn adapt(&mut self, took: Duration) {
        if took < self.limit / 8 {
            self.rows = (self.rows * 2).min(MOST_ROWS);
        } else if took > self.limit / 3 {
            self.halve();
        }
    }

    fn halve(&mut self) {
        self.rows = (self.rows / 2).max(FEWEST_ROWS);
    }

    /// A minimal batch has no limit, so that the step always completes.
    fn limit(&self) -> Option<Duration> {
        (self.rows > FEWEST_ROWS).then_some(self.limit)
    }
}

impl Run<'_> {
    pub(super) async fn in_batches(
        &mut self,
        steps: &[Step],
        number: usize,
        sql: &str,
        progress: Listener<'_>,
    ) -> Result<()> {
        let of = self.estimate(sql).await?;
        let before = self.before_each_batch(sql).await?;
        let mut size = Size { rows: BATCH_ROWS, limit: self.options.batch_timeout };
        let (mut key, mut done) = (String::new(), 0);
        loop {
            let limit = size.limit().filter(|_| sql.contains("$2"));
            let batch =
                Batch { sql: crate::step::of_rows(sql, size.rows), key: key.clone(), limit, before: before.clone() };
            let began = Instant::now();
            match self.patiently(steps, number, Work::Batch(batch)).await {
                Ok(None) => break,
                Ok(Some(last)) => {
                    key = last;
                    done += u64::from(size.rows - 1);
                    progress(DeployProgress::Rows { migration: self.migration.name(), step: number + 1, done, of });
                    size.adapt(began.elapsed());
                }
                // A statement that another session cancels ends before its time limit.
                Err(Error::Step { source, .. })
                    if is_timeout(&source) && limit.is_some_and(|limit| began.elapsed() >= limit) =>
                {
                    size.halve();
                    tracing::info!(migration = self.migration.name(), rows = size.rows, "a batch took too long");
                }
                Err(error) => return Err(error),
            }
        }
        if done > 0 { self.analyze(sql).await } else { Ok(()) }
    }

    /// Returns the statements that keep the fill of the tenant key from firing the triggers of others.
    async fn before_each_batch(&mut self, sql: &str) -> Result<String> {
        if self.options.fire_triggers || !fills_tenant_key(self.migration) {
            return Ok(String::new());
        }
        let table = filled_table(sql).unwrap_or_default();
        if triggers::fired(self.connection).await?.iter().all(|fired| fired.table != table) {
            return Ok(String::new());
        }
        Ok(triggers::fire_none(self.connection).await?.unwrap_or_default())
    }

    async fn estimate(&mut self, sql: &str) -> Result<Option<u64>> {
        let Some(table) = filled_table(sql) else { return Ok(None) };
        let sql = format!(
            "SELECT reltuples::bigint::text FROM pg_class WHERE oid = to_regclass({}) AND reltuples >= 0",
            literal(&format!("\"{table}\""))
        );
        let estimate = self.connection.value(&sql).await.map_err(Error::doing("estimating a number of rows"))?;
        Ok(estimate.and_then(|estimate| estimate.parse().ok()))
    }

    /// Updates the statistics, with which later statements are planned: foreign key validation and the service's
    /// queries. Batches need none: their plans are forced.
    ///
    /// A filled table attracts autovacuum, which yields to a waiting session after `deadlock_timeout`, one second by
    /// default. No writer queues behind `ANALYZE`, so it waits longer. Missing statistics fail no migration: autovacuum
    /// gathers them later.
    async fn analyze(&mut self, sql: &str) -> Result<()> {
        let Some(table) = filled_table(sql) else { return Ok(()) };
        let failed = Error::doing("gathering statistics of a table that was filled");
        self.connection.set_lock_timeout(ANALYZE_LOCK).await.map_err(&failed)?;
        let analyzed = self.connection.execute(&format!("ANALYZE \"{table}\"")).await;
        let blockers = self.connection.take_blockers();
        match analyzed {
            Err(error) if error.as_database_error().is_some() => {
                let reason = Reason(&error);
                tracing::warn!(table, %reason, ?blockers, "no statistics of a filled table; autovacuum gathers them later");
                Ok(())
            }
            analyzed => analyzed.map_err(failed),
        }
    }
}
