//! One batch of rows, in one transaction.

use std::time::Duration;

use crate::connection::Connection;
use crate::step::Target;

/// Forces index access to the rows of a batch, independent of the statistics: a sequential scan in each batch would
/// make the step quadratic. JIT compilation takes longer than a batch.
const PLAIN_PLAN: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off; SET LOCAL jit = off";

/// How long a batch waits for another writer's row. It is short because the batch holds row locks itself.
pub(super) const ROW_LOCK: Duration = Duration::from_millis(100);

/// One batch, in its own transaction.
pub(super) struct Batch {
    pub(super) sql: String,
    pub(super) key: String,
    /// `None` for no time limit.
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
                // If this fails too, the connection is lost and the transaction with it.
                drop(target.execute("ROLLBACK").await);
                Err(error)
            }
        }
    }
}
