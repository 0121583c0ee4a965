//! Plans of the library's own lists, in the role of their units. `EXPLAIN` does not run them.

use std::collections::BTreeMap;

use rylie_driver::literal;
use sqlx::Row;

use crate::doctor::report::{Limits, Outcome, Verdict};
use crate::doctor::session::{Failed, Session};

/// The lists, as `tests/it/isolation/plans.rs` expects their plans. `$tenant` is the largest tenant.
const LISTS: [(&str, &str); 7] = [
    (
        "requests of a tenant",
        "SELECT * FROM public.\"Request\" WHERE NOT deleted AND \"tenantId\" = $tenant ORDER BY \"createdAt\" DESC, id DESC LIMIT 50",
    ),
    (
        "pending requests of a tenant",
        "SELECT * FROM public.\"Request\" WHERE NOT deleted AND status = 'PENDING' AND \"tenantId\" = $tenant ORDER BY \"createdAt\" DESC, id DESC LIMIT 50",
    ),
    (
        "tasks of a tenant",
        "SELECT * FROM public.\"Task\" WHERE NOT deleted AND \"tenantId\" = $tenant ORDER BY \"createdAt\" DESC, id DESC LIMIT 50",
    ),
    (
        "tasks of a request",
        "SELECT * FROM public.\"Task\" WHERE NOT deleted AND \"requestId\" = 'r' AND \"tenantId\" = $tenant",
    ),
    ("a request by id", "SELECT * FROM public.\"Request\" WHERE id = 'r' AND \"tenantId\" = $tenant"),
    ("users of a tenant", "SELECT * FROM public.\"User\" WHERE \"tenantId\" = $tenant ORDER BY id LIMIT 50"),
    (
        "audit records of a tenant",
        "SELECT * FROM public.\"AuditLog\" WHERE \"tenantId\" = $tenant ORDER BY \"createdAt\" DESC, id DESC LIMIT 50",
    ),
];

const LARGEST: &str = "SELECT (most_common_vals::text::text[])[1] FROM pg_stats WHERE schemaname = 'public' AND tablename = 'Request' AND attname = 'tenantId'";

const ROWS: &str = "SELECT c.oid::regclass::text, greatest(c.reltuples, 0)::float8 FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace";

/// Looks for sequential scans in the plans of the lists.
pub(crate) async fn plans(session: &mut Session, limits: &Limits) -> Outcome {
    let rows = match session.rows("", ROWS).await {
        Ok(rows) => rows,
        Err(failed) => return failed.outcome(),
    };
    let sizes: BTreeMap<String, f64> =
        rows.iter().filter_map(|row| Some((row.try_get(0).ok()?, row.try_get(1).ok()?))).collect();
    let shapes = match explain(session).await {
        Ok(shapes) => shapes,
        Err(failed) => return failed.outcome(),
    };
    let mut outcome = Outcome::ok(format!("{} lists use their indexes, or their tables are small", shapes.len()));
    for (name, shape) in &shapes {
        for scan in shape.split(" > ").filter_map(|node| node.strip_prefix("Seq Scan on ")) {
            let rows = sizes.get(scan).copied().unwrap_or_default();
            let level = if rows >= limits.critical {
                Verdict::Critical
            } else if rows >= limits.warning {
                Verdict::Warning
            } else {
                continue;
            };
            outcome = outcome.with(
                level,
                format!("list `{name}`"),
                format!("reads table {scan} with about {rows:.0} rows from end to end"),
            );
        }
    }
    outcome
}

/// Returns the plans' shapes by list; empty without the right to assume the tenant's role.
pub(crate) async fn plan_shapes(session: &mut Session) -> BTreeMap<String, String> {
    explain(session).await.unwrap_or_default()
}

async fn explain(session: &mut Session) -> Result<BTreeMap<String, String>, Failed> {
    let largest = session.rows("", LARGEST).await.ok();
    let largest = largest.and_then(|rows| rows.first()?.try_get::<Option<String>, _>(0).ok()?);
    let tenant = literal(&largest.unwrap_or_else(|| "rylie doctor probe".to_owned()));
    let role = format!("SET LOCAL ROLE rylie_tenant; SET LOCAL rylie.tenant = {tenant};");
    let mut shapes = BTreeMap::new();
    for (name, sql) in LISTS {
        let sql = format!("EXPLAIN (COSTS off) {}", sql.replace("$tenant", &tenant));
        let rows = session.rows(&role, &sql).await?;
        let lines: Vec<String> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
        shapes.insert(name.to_owned(), shape(&lines));
    }
    Ok(shapes)
}

/// Returns the nodes of a plan from the root on, without conditions: they contain values.
fn shape(lines: &[String]) -> String {
    let node = |line: &String| {
        let text = line.trim_start();
        let is_root = !line.starts_with(' ');
        let text = text.strip_prefix("->").map(str::trim_start).or(is_root.then_some(text))?;
        Some(text.replace(" using ", " by "))
    };
    lines.iter().filter_map(node).collect::<Vec<_>>().join(" > ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_has_nodes_and_no_values() {
        let plan =
            ["Limit", "  ->  Index Scan using a_idx on \"Task\"", "        Index Cond: (\"tenantId\" = 'secret')"];
        assert_eq!(shape(&plan.map(str::to_owned)), "Limit > Index Scan by a_idx on \"Task\"");
    }
}
