//! One batch of rows, in one transaction.

use std::time::Duration;

use rylie_driver::literal;

use crate::connection::Connection;

/// Forces index access to the rows of a batch, independent of the statistics, which may be missing: a sequential scan,
/// or a hash of a whole table, in each batch would make the step quadratic. JIT compilation takes longer than a batch.
const PLAIN_PLAN: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off; \
     SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off";

/// How long a batch waits for another writer's row. It is short because the batch holds row locks itself.
pub(super) const ROW_LOCK: Duration = Duration::from_millis(100);

/// One batch, in its own transaction.
pub(super) struct Batch {
    pub(super) sql: String,
    pub(super) key: String,
    /// `None` for no time limit.
    pub(super) limit: Option<Duration>,
    /// Statements that run first, each followed by a semicolon.
    pub(super) before: String,
}

impl Batch {
    /// One message is one transaction: the server commits it, or rolls it back, without another message of the client.
    /// A client that stops, or whose network does, leaves no row locked.
    pub(super) async fn go(&self, target: &mut Connection, lock_timeout: Duration) -> sqlx::Result<Option<String>> {
        let limit = self.limit.unwrap_or_default().as_millis();
        let lock_timeout = lock_timeout.min(ROW_LOCK).as_millis();
        let batch = self.sql.replace("$1", &format!("{}::text", literal(&self.key)));
        let sql = format!(
            "{}SET LOCAL statement_timeout = '{limit}ms'; SET LOCAL lock_timeout = '{lock_timeout}ms'; {PLAIN_PLAN}; {batch}",
            self.before
        );
        target.in_one_message(sql).await
    }
}
