//! Database sizes over time.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rylie_entities::Timestamp;
use sea_orm::{DbBackend, Value};
use serde::Serialize;

use crate::Result;
use crate::tx::Tx;

/// Sizes of the database and its tables over time.
///
/// Its methods have no errors of their own; see the [errors of every call](crate::Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait SizeHistory: Send + Sync {
    /// Stores sizes for `at`. Existing rows of that instant stay. One statement.
    async fn keep(&self, at: DateTime<Utc>, sizes: &[KeptSize]) -> Result<()>;

    /// Returns the stored sizes of a table (empty: of the database) at or after `since`, oldest first.
    async fn list(&self, table: &str, since: DateTime<Utc>) -> Result<Vec<PastSize>>;

    /// Thins the history: of rows older than `daily_before` it keeps the first of each day, and none older than
    /// `before`. Returns the number of deleted rows.
    async fn thin(&self, daily_before: DateTime<Utc>, before: DateTime<Utc>) -> Result<u64>;
}

/// A size to store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptSize {
    /// The table's name; empty for the database.
    pub table: String,
    /// Bytes on disk, indexes included.
    pub bytes: i64,
    /// Rows, as the engine estimates them.
    pub rows: Option<i64>,
}

/// A stored size.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct PastSize {
    /// When it was measured.
    pub at: DateTime<Utc>,
    /// Bytes on disk, indexes included.
    pub bytes: i64,
    /// Rows, as the engine estimated them.
    pub rows: Option<i64>,
}

#[async_trait]
impl SizeHistory for Tx {
    async fn keep(&self, at: DateTime<Utc>, sizes: &[KeptSize]) -> Result<()> {
        let at = Timestamp::from(at);
        for some in sizes.chunks(1_000) {
            let places: Vec<_> = (0..some.len())
                .map(|n| format!("(${}, ${}, ${}, ${})", 4 * n + 1, 4 * n + 2, 4 * n + 3, 4 * n + 4))
                .collect();
            let sql = format!(
                "INSERT INTO rylie_size_history (table_name, at, bytes, row_count) VALUES {} ON CONFLICT DO NOTHING",
                places.join(", ")
            );
            let values = some.iter().flat_map(|size| -> [Value; 4] {
                [size.table.as_str().into(), at.into(), size.bytes.into(), size.rows.into()]
            });
            self.operations()?.run(&sql, values.collect()).await?;
        }
        Ok(())
    }

    async fn list(&self, table: &str, since: DateTime<Utc>) -> Result<Vec<PastSize>> {
        const SQL: &str =
            "SELECT at, bytes, row_count FROM rylie_size_history WHERE table_name = $1 AND at >= $2 ORDER BY at";
        let rows = self.operations()?.rows(SQL, vec![table.into(), Timestamp::from(since).into()]).await?;
        let sizes = rows.iter().map(|row| {
            Ok(PastSize {
                at: row.try_get_by_index::<Timestamp>(0)?.utc(),
                bytes: row.try_get_by_index(1)?,
                rows: row.try_get_by_index(2)?,
            })
        });
        sizes.collect()
    }

    async fn thin(&self, daily_before: DateTime<Utc>, before: DateTime<Utc>) -> Result<u64> {
        let day = |at: &str| match self.engine() {
            DbBackend::Postgres => format!("{at}::date"),
            _ => format!("date({at})"),
        };
        let sql = format!(
            "DELETE FROM rylie_size_history WHERE at < $2 OR at < $1 AND EXISTS (SELECT 1 FROM rylie_size_history earlier \
             WHERE earlier.table_name = rylie_size_history.table_name AND earlier.at < rylie_size_history.at AND {} = {})",
            day("earlier.at"),
            day("rylie_size_history.at")
        );
        self.operations()?.run(&sql, vec![Timestamp::from(daily_before).into(), Timestamp::from(before).into()]).await
    }
}
