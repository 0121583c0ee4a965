//! A change of many rows in batches, each short enough for the writers that wait for its rows.

use std::time::{Duration, Instant};

use super::work::Work;
use super::{Run, is_timeout};
use crate::connection::Connection;
use crate::deploy::{Listener, Progress};
use crate::error::{Error, Result};
use crate::history::equivalents::filled_table;
use crate::literal::literal;
use crate::step::{BATCH_ROWS, Step, Target};

/// A batch looks at the last row done and at least one more.
const FEWEST_ROWS: u32 = 2;
const MOST_ROWS: u32 = 5_000;

/// The indexes are the way to the rows of a batch, whatever the statistics say: a scan of the table in each batch would make the
/// whole quadratic. Compiling a plan takes longer than a batch.
const PLAIN_PLAN: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off; SET LOCAL jit = off";

/// How long a batch waits for another writer's row: it holds rows of its own meanwhile.
const ROW_LOCK: Duration = Duration::from_millis(100);

/// One batch, in a transaction of its own.
pub(super) struct Batch {
    pub(super) sql: String,
    pub(super) key: String,
    /// `None` where it takes as long as it takes.
    pub(super) limit: Option<Duration>,
}

impl Batch {
    pub(super) async fn go(&self, target: &mut Connection, lock_timeout: Duration) -> sqlx::Result<Option<String>> {
        let limit = self.limit.unwrap_or_default().as_millis();
        let lock_timeout = lock_timeout.min(ROW_LOCK).as_millis();
        target
            .execute(&format!(
                "BEGIN; SET LOCAL statement_timeout = '{limit}ms'; SET LOCAL lock_timeout = '{lock_timeout}ms'; {PLAIN_PLAN}"
            ))
            .await?;
        match target.text(&self.sql, &self.key).await {
            Ok(last) => target.execute("COMMIT").await.map(|()| last),
            Err(error) => {
                // If this fails too, the connection is gone and the transaction with it.
                drop(target.execute("ROLLBACK").await);
                Err(error)
            }
        }
    }
}

/// How many rows the next batch looks at.
struct Size {
    rows: u32,
    limit: Duration,
}

impl Size {
    /// After a batch that was committed: larger where there was time for much more, smaller where it was close.
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

    /// A single row takes as long as it takes: the step must come to its end.
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
                    progress(Progress::Rows { migration: self.migration.name(), step: number + 1, done, of });
                    size.adapt(began.elapsed());
                }
                // A statement that somebody cancels ends before its time.
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

    /// What follows is planned by what the rows are now: validating a foreign key, and the service's queries.
    async fn analyze(&mut self, sql: &str) -> Result<()> {
        let Some(table) = filled_table(sql) else { return Ok(()) };
        let sql = format!("ANALYZE \"{table}\"");
        self.connection.execute(&sql).await.map_err(Error::doing("gathering statistics of a table that was filled"))
    }
}
