//! The forecast of disk space and time.

use serde::Deserialize;

use super::DOING;
use super::findings::Forecast;
use crate::connection::Connection;
use crate::error::Result;
use crate::migrations::base_tables_list;

/// The growth of the base's tables, in percent: filling the tenant key writes each row again, and the tables get more
/// indexes. Measured: a database grew to 2.4 times its size.
const GROWTH_PERCENT: u64 = 140;

/// The measured rates, in rows of the base's tables a second. They depend on the server's disk and on other writers.
const FAST: u64 = 20_000;
const SLOW: u64 = 2_000;

/// The time of the statements on the catalog, in seconds, at the least and at the most.
const CATALOG_SECONDS: (u64, u64) = (2, 30);

#[derive(Deserialize)]
struct Sizes {
    database: u64,
    tables: u64,
    rows: u64,
}

impl Forecast {
    /// Reads the sizes in one statement.
    pub(super) async fn read(connection: &mut Connection) -> Result<Self> {
        // A table that was never analyzed has -1 rows; its size gives an estimate.
        let sql = format!(
            "SELECT json_build_object('database', pg_database_size(current_database()), \
             'tables', coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint, 'rows', coalesce(sum(CASE WHEN c.reltuples < 0 \
             THEN pg_relation_size(c.oid) / 200 ELSE c.reltuples END), 0)::bigint)::text FROM pg_class c \
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname IN ({})",
            base_tables_list()
        );
        Ok(Self::of(&connection.document(&sql, DOING).await?))
    }

    fn of(sizes: &Sizes) -> Self {
        Self {
            bytes_now: sizes.database,
            bytes_more: sizes.tables.saturating_mul(GROWTH_PERCENT) / 100,
            rows: sizes.rows,
            seconds_at_least: CATALOG_SECONDS.0 + sizes.rows / FAST,
            seconds_at_most: CATALOG_SECONDS.1 + sizes.rows / SLOW,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forecast_grows_with_the_tables() {
        let forecast = Forecast::of(&Sizes { database: 1_100, tables: 1_000, rows: 1_000_000 });
        let more = Forecast {
            bytes_now: 1_100,
            bytes_more: 1_400,
            rows: 1_000_000,
            seconds_at_least: 52,
            seconds_at_most: 530,
        };
        assert_eq!(forecast, more);
    }
}
