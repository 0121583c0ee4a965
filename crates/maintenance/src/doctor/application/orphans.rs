//! Rows whose parent is missing.

use std::time::{Duration, Instant};

use sqlx::Row;

use crate::doctor::check::Need;
use crate::doctor::report::{Outcome, Verdict};
use crate::doctor::session::{Failed, Session};

/// Rows of each table that a run looks at first, unless it is deep.
const ROWS: i64 = 20_000;

/// The time within which a run goes on to whole tables.
const WHOLE: Duration = Duration::from_millis(1_500);

/// The foreign keys of our tables as statements that count rows without a parent among the first `{limit}`.
const KEYS: &str = "SELECT k.conrelid::regclass::text, greatest(c.reltuples, 0)::bigint, k.conname::text, \
     format('SELECT count(*), count(*) FILTER (WHERE missing) FROM (SELECT NOT EXISTS (SELECT FROM %s p WHERE %s) AS missing FROM (SELECT * FROM %s LIMIT {limit}) c WHERE %s) r', \
       k.confrelid::regclass, \
       (SELECT string_agg(format('p.%I = c.%I', f.attname, a.attname), ' AND ') FROM unnest(k.conkey, k.confkey) o(child, parent) \
         JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = o.child JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = o.parent), \
       k.conrelid::regclass, \
       (SELECT string_agg(format('c.%I IS NOT NULL', a.attname), ' AND ') FROM unnest(k.conkey) o(child) JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = o.child)) \
     FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace ORDER BY 1, 3";

/// Looks for rows without a parent: a foreign key that was disabled or not validated does not keep them out.
pub(crate) async fn orphans(session: &mut Session, deep: bool) -> Outcome {
    if let Some(reason) = session.rights.lacks(Need::EveryTenant) {
        return Outcome::not_checked(reason);
    }
    let role = session.rights.role_for(&[Need::EveryTenant]);
    let limit = if deep { i64::MAX } else { ROWS };
    let begun = Instant::now();
    let keys = match session.rows("", KEYS).await {
        Ok(keys) => keys,
        Err(failed) => return failed.outcome(),
    };
    let (mut outcome, mut partly) = (Outcome::default(), None);
    for key in &keys {
        let (Ok(table), Ok(estimate), Ok(name), Ok(sql)) = (
            key.try_get::<String, _>(0),
            key.try_get::<i64, _>(1),
            key.try_get::<String, _>(2),
            key.try_get::<String, _>(3),
        ) else {
            continue;
        };
        let is_partly = estimate > limit;
        let mut counted = session.rows(role, &sql.replace("{limit}", &limit.to_string())).await;
        let mut is_whole = false;
        if is_partly && begun.elapsed() < WHOLE {
            // The server ends it early enough for the rest of the run.
            let quickly = format!("{role} SET LOCAL statement_timeout = 700;");
            if let Ok(rows) = session.rows(&quickly, &sql.replace("{limit}", "ALL")).await {
                counted = Ok(rows);
                is_whole = true;
            }
        }
        let (seen, missing) = match &counted {
            Ok(rows) => {
                rows.first().map_or((0, 0), |row| (row.try_get(0).unwrap_or(0), row.try_get::<i64, _>(1).unwrap_or(0)))
            }
            Err(failed @ Failed::Silent) => return failed.outcome(),
            Err(failed) if failed.is_damage() => {
                outcome.evidence.extend(failed.outcome().evidence);
                continue;
            }
            Err(Failed::Refused { reason, .. }) => {
                partly = Some(format!("table {table}: {reason}"));
                continue;
            }
        };
        if missing > 0 {
            let detail = format!("{missing} of {seen} rows have no parent by the key {name}");
            outcome = outcome.with(Verdict::Critical, format!("table {table}"), detail);
            if sql.contains("\"tenantId\"") {
                // The parent may exist in another tenant: then the row is good, and its tenant key is wrong.
                if let Some(found) = outcome.evidence.last_mut() {
                    found.detail.push_str(", within their tenant");
                }
                outcome = outcome.fixed_by(
                    "compare the tenant key with that of the parent, and set it; restore the parent only if it is gone",
                    "ROW EXCLUSIVE on the table",
                );
            }
        } else if !is_whole && (seen >= limit || is_partly) {
            partly = Some(format!(
                "of table {table} only the first {limit} of about {estimate} rows were looked at, and all have parents; --deep looks at all"
            ));
        }
    }
    if outcome.evidence.is_empty() {
        if let Some(reason) = partly {
            return Outcome::not_checked(reason);
        }
        outcome.detail = Some(format!("no row lacks a parent, by {} keys", keys.len()));
    }
    outcome
}
