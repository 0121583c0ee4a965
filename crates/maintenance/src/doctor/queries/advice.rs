//! Indexes that would help, tried by the extension `hypopg` without building them.

use rylie_driver::literal;
use sqlx::Row;

use crate::doctor::report::{Evidence, Fix, Limits, Outcome, Verdict};
use crate::doctor::session::{Failed, Session};

/// Most conditions of statements that are tried.
const MOST: usize = 20;

/// The equality conditions of frequent statements on one large table. A table and its columns are names of the catalog;
/// no text of a statement is run.
const CONDITIONS: &str = "WITH s AS (SELECT query, sum(calls) AS calls, sum(total_exec_time) AS total FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid \
       WHERE d.datname = current_database() AND query ~* '^\\s*(select|update|delete)' GROUP BY 1 HAVING sum(calls) >= 5 ORDER BY total DESC LIMIT 200), \
     t AS (SELECT c.oid, c.oid::regclass::text AS name, c.relname, c.reltuples FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.reltuples >= 5000), \
     f AS (SELECT t.oid, t.name, s.query, s.total, ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped \
         AND position('\"' || a.attname || '\" = $' IN s.query) > 0 ORDER BY a.attname <> 'tenantId', a.attname) AS columns \
       FROM s JOIN t ON s.query ~ ('(FROM|UPDATE|INTO) (ONLY )?(public\\.)?\"?' || t.relname || '\"?( |$)') AND s.query !~* '\\mjoin\\M') \
     SELECT name, array_to_string(ARRAY(SELECT quote_ident(c) FROM unnest(columns) c), ', '), array_to_string(ARRAY(SELECT 'x.' || quote_ident(c) || ' = y.' || quote_ident(c) FROM unnest(columns) c), ' AND ') \
     FROM f WHERE cardinality(columns) BETWEEN 1 AND 4 GROUP BY 1, 2, 3 ORDER BY max(total) DESC LIMIT 20";

/// Compares the planner's cost of reading one key with and without an index on the columns of each condition.
pub(crate) async fn advice(session: &mut Session, limits: &Limits) -> Outcome {
    let conditions = match session.rows("", CONDITIONS).await {
        Ok(rows) => rows,
        Err(failed) => return failed.outcome(),
    };
    let mut outcome =
        Outcome::ok(format!("no index would help {} conditions of frequent statements", conditions.len()));
    for row in conditions.iter().take(MOST) {
        let text = |column| row.try_get::<String, _>(column).unwrap_or_default();
        let (table, columns, condition) = (text(0), text(1), text(2));
        // A lateral row gives the key no fixed value, so the planner estimates an average one.
        let sql = format!(
            "EXPLAIN SELECT * FROM (SELECT * FROM {table} LIMIT 1) y, LATERAL (SELECT * FROM {table} x WHERE {condition} OFFSET 0) z"
        );
        let statement = format!("CREATE INDEX ON {table} ({columns})");
        let hypothetical =
            format!("DO $rylie$ BEGIN PERFORM hypopg_create_index({}); END $rylie$;", literal(&statement));
        let costs = async {
            let without = cost(session, "", &sql).await?;
            let with = cost(session, &hypothetical, &sql).await;
            // A hypothetical index lives in the session.
            let _ = session.rows("", "SELECT hypopg_reset()").await;
            Ok::<_, Failed>((without, with?))
        };
        let (without, with) = match costs.await {
            Ok(costs) => costs,
            Err(Failed::Silent) => return Failed::Silent.outcome(),
            // The login may not read this table.
            Err(Failed::Refused { .. }) => continue,
        };
        outcome.evidence.extend(advice_outcome(&table, &columns, without, with, limits).evidence);
    }
    outcome
}

/// Returns the outcome of `queries.missing-index` for one condition, by the planner's costs without and with an index.
#[must_use]
pub fn advice_outcome(table: &str, columns: &str, without: f64, with: f64, limits: &Limits) -> Outcome {
    let times = without / with.max(1.0);
    let level = if times >= limits.critical {
        Verdict::Critical
    } else if times >= limits.warning {
        Verdict::Warning
    } else {
        return Outcome::ok("an index would not help");
    };
    let found = Evidence {
        level,
        object: format!("table {table}"),
        detail: format!("statements that compare {columns} would cost {times:.0} times less with an index"),
        fix: Some(Fix {
            command: format!("CREATE INDEX CONCURRENTLY ON {table} ({columns})"),
            lock: "SHARE UPDATE EXCLUSIVE; readers and writers continue".to_owned(),
        }),
    };
    Outcome { evidence: vec![found], ..Outcome::default() }
}

async fn cost(session: &mut Session, before: &str, sql: &str) -> Result<f64, Failed> {
    let rows = session.rows(before, sql).await?;
    let first = rows.first().and_then(|row| row.try_get::<String, _>(0).ok()).unwrap_or_default();
    Ok(total_cost(&first).unwrap_or(0.0))
}

/// Returns the total cost of a plan's first line.
fn total_cost(line: &str) -> Option<f64> {
    line.split_once("(cost=")?.1.split_once("..")?.1.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_a_plan_is_that_of_its_root() {
        assert_eq!(total_cost("Nested Loop  (cost=0.29..812.50 rows=1 width=8)"), Some(812.5));
        assert_eq!(total_cost("Nested Loop"), None);
    }
}
