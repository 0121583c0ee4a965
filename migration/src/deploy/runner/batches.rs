//! Changes many rows in batches, each short enough for the writers that wait for its rows.

use std::time::{Duration, Instant};

use super::batch::Batch;
use super::work::Work;
use super::{Run, is_timeout};
use crate::error::{Error, Result};
use crate::history::equivalents::filled_table;
use crate::literal::literal;
use crate::options::{DeployProgress, Listener};
use crate::step::{BATCH_ROWS, Step, Target};

/// A batch covers the last row of the previous one and at least one more.
const FEWEST_ROWS: u32 = 2;
const MOST_ROWS: u32 = 5_000;

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
        let mut size = Size { rows: BATCH_ROWS, limit: self.options.batch_timeout };
        let (mut key, mut done) = (String::new(), 0);
        loop {
            let limit = size.limit().filter(|_| sql.contains("$2"));
            let batch = Batch { sql: crate::step::of_rows(sql, size.rows), key: key.clone(), limit };
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
    /// queries.
    async fn analyze(&mut self, sql: &str) -> Result<()> {
        let Some(table) = filled_table(sql) else { return Ok(()) };
        let sql = format!("ANALYZE \"{table}\"");
        self.connection.execute(&sql).await.map_err(Error::doing("gathering statistics of a table that was filled"))
    }
}
