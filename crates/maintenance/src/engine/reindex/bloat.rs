//! Estimates the unused part of an index.
//!
//! The server's statistics do not show it, because `pg_stats` hides tables with row-level security. So the width of an
//! entry is measured on a sample of rows, in the platform's role if this login may assume it.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::engine::run_postgres;

/// Minimum size: rebuilding a smaller index gains little.
const SMALLEST: i64 = 512 << 10;

/// Number of rows in the sample.
const SAMPLE: u32 = 1_000;

/// An index to rebuild.
pub(super) struct Index {
    pub(super) name: String,
    pub(super) quoted: String,
    pub(super) bytes: i64,
}

/// Selects valid B-trees of this login with the expressions of their entries. An index of an exclusion constraint
/// cannot be rebuilt concurrently.
const INDEXES: &str = "SELECT c.relname::text, format('%I.%I', n.nspname, c.relname), pg_relation_size(c.oid), \
       greatest(c.reltuples, 0)::float8, i.indrelid::regclass::text, \
       (SELECT string_agg(format('coalesce(pg_column_size(%s), 0)', pg_get_indexdef(i.indexrelid, k, true)), ' + ') \
         FROM generate_series(1, i.indnatts) AS k), \
       coalesce(c.relowner = (SELECT relowner FROM pg_class WHERE oid = to_regclass('public.\"User\"')), false) \
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
       JOIN pg_am a ON a.oid = c.relam \
     WHERE i.indisvalid AND NOT i.indisexclusion AND a.amname = 'btree' AND n.nspname = 'public' \
       AND pg_has_role(c.relowner, 'USAGE') AND ($1 OR pg_relation_size(c.oid) >= $2) ORDER BY c.relname";

const PLATFORM: &str = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rylie_platform' AND pg_has_role(oid, \
     CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END))";

type Row = (String, String, i64, f64, String, String, bool);

/// Returns the indexes of which more than half is unused, or all of them.
pub(super) async fn indexes(connection: &mut PgConnection, all: bool) -> sqlx::Result<Vec<Index>> {
    let rows: Vec<Row> = sqlx::query_as(INDEXES).bind(all).bind(SMALLEST).fetch_all(&mut *connection).await?;
    let mut bloated = Vec::new();
    if rows.is_empty() {
        return Ok(bloated);
    }
    let platform: bool = sqlx::query_scalar(PLATFORM).fetch_one(&mut *connection).await?;
    for (name, quoted, bytes, entries, table, widths, ours) in rows {
        // Tables of other owners are not read: functions in their expressions would run with our rights.
        if all || ours && is_bloated(bytes, entries, width(connection, &table, &widths, platform).await?) {
            bloated.push(Index { name, quoted, bytes });
        }
    }
    Ok(bloated)
}

/// Returns the mean width of an entry's columns.
async fn width(connection: &mut PgConnection, table: &str, widths: &str, platform: bool) -> sqlx::Result<f64> {
    run_postgres(connection, "BEGIN READ ONLY").await?;
    if platform {
        run_postgres(connection, "SET LOCAL ROLE rylie_platform").await?;
    }
    let sql = format!("SELECT avg({widths})::float8 FROM (SELECT * FROM {table} LIMIT {SAMPLE}) AS sample");
    let width: sqlx::Result<Option<f64>> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await;
    run_postgres(connection, "ROLLBACK").await?;
    match width {
        Ok(width) => Ok(width.unwrap_or_default()),
        // If this role may not read the table, assume the longest usual entry.
        Err(sqlx::Error::Database(_)) => Ok(64.0),
        Err(error) => Err(error),
    }
}

/// Compares the size with an estimate. An entry has a header and a pointer of 12 bytes, and pages are filled to 90%.
/// Equal keys take less than that, so an index that exceeds the estimate is bloated.
fn is_bloated(bytes: i64, entries: f64, width: f64) -> bool {
    let aligned = (width / 8.0).ceil() * 8.0;
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let bytes = bytes as f64;
    bytes > 2.0 * entries * (aligned + 12.0) / 0.9 + 65_536.0
}

#[cfg(test)]
mod tests {
    use super::is_bloated;

    #[test]
    fn an_index_is_bloated_when_more_than_half_is_air() {
        assert!(!is_bloated(6 << 20, 100_000.0, 40.0), "as full as it is built");
        assert!(is_bloated(6 << 20, 10_000.0, 40.0), "nine of ten rows are gone");
        assert!(is_bloated(1 << 20, 0.0, 0.0), "all are");
    }
}
